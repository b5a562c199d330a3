#pragma once
// Values of all ranks, after the last step. It runs no step.

#include <vector>

#include "executor/comm/communicator.h"
#include "executor/runtime/lanes/watch.h"

namespace moesaic::executor {

/// All ranks' copies of a vector of equal length, [ranks * values.size()].
class Gather {
 public:
  /// `sequence`: the first number of an operation that the steps have not used.
  Gather(Communicator& control, int64_t sequence, Watch& watch)
      : control_(control), sequence_(sequence), watch_(watch) {}

  int rank() const { return control_.rank(); }

  template <typename T>
  std::vector<T> operator()(const std::vector<T>& values) {
    std::vector<T> all(values.size() * static_cast<size_t>(control_.size()));
    const auto bytes = static_cast<int64_t>(values.size() * sizeof(T));
    watch_.wait(*control_.all_gather(sequence_++, values.data(), bytes, all.data()), "collection of results");
    return all;
  }

 private:
  Communicator& control_;
  int64_t sequence_;  // of the next operation
  Watch& watch_;
};

}  // namespace moesaic::executor
