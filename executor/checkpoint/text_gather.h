#pragma once
// Every rank says something, and everybody hears all of it: how ranks agree on a checkpoint. For short texts only.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "executor/comm/communicator.h"

namespace moesaic::executor {

/// An operation of two stages: the sizes, then the texts. Takes two sequence numbers of the communicator, from
/// `sequence` on.
class TextGather {
 public:
  TextGather(Communicator& communicator, int64_t sequence, std::string text);

  /// As Operation's.
  bool poll();
  void wait();
  /// Once poll() is true: [size], in rank order.
  const std::vector<std::string>& texts() const { return texts_; }

 private:
  void start_texts();

  Communicator& communicator_;
  int64_t sequence_;
  std::string own_, all_;
  int64_t own_bytes_ = 0;
  std::vector<int64_t> bytes_, offsets_;  // [size]
  std::vector<std::string> texts_;        // [size]
  std::unique_ptr<Operation> sizes_, contents_;
};

}  // namespace moesaic::executor
