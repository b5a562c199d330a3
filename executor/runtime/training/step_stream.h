#pragma once
// The losses of a long run as it goes: a file with one JSON object a line, which a reader may follow while training
// goes on, and which is what the ended run has said however it ended. It remembers no step.

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>

#include "executor/runtime/training/step_history.h"

namespace moesaic::executor {

/// {"step":1,"loss":5.54,"cross_entropy":5.53,"seconds":0.0125}: the step's number from 1 of the whole run; loss and
/// cross-entropy null where it was skipped; the seconds are the writing rank's. Where gradients are clipped, their norm
/// before that stands before the seconds: "gradient_norm":1.25.
class StepStream {
 public:
  /// Goes on behind the lines of the first `steps_done` steps, where the file has them, and drops what follows: steps
  /// that a run trained after its last checkpoint, or had not written to the end. InputError where the file cannot be
  /// written.
  StepStream(const std::string& path, int64_t steps_done);

  /// The line has reached the system when this returns. DeviceError naming the file where it cannot be written.
  void write(const TrainedStep& step);

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  const std::string path_;
  std::unique_ptr<std::FILE, Close> file_;
};

}  // namespace moesaic::executor
