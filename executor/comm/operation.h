#pragma once
// A nonblocking operation on a communicator and the set of messages that one of its stages waits for.
// It is not a thread or a future: nothing moves unless somebody polls.

#include <cstdint>
#include <thread>
#include <utility>
#include <vector>

#include "executor/comm/transport.h"

namespace moesaic::executor {

/// Its buffers belong to it until poll() has returned true; its communicator must outlive it.
class Operation {
 public:
  virtual ~Operation() = default;

  /// Advances the operation; true once it is complete on this rank, and ever after.
  bool poll() {
    if (!complete_) complete_ = advance();
    return complete_;
  }

  /// Polls until complete, giving the core away between polls. Other operations in flight progress only as far as their
  /// transport moves messages on its own; a peer that waits for this rank's next stage of those waits on.
  void wait() {
    while (!poll()) std::this_thread::yield();
  }

 private:
  virtual bool advance() = 0;

  bool complete_ = false;
};

/// The unfinished messages of one stage.
class PendingMessages {
 public:
  explicit PendingMessages(Transport& transport) : transport_(transport) {}

  void send(int to, int64_t tag, const void* data, int64_t bytes) {
    requests_.push_back(transport_.send(to, tag, data, bytes));
  }
  void receive(int from, int64_t tag, void* data, int64_t bytes) {
    requests_.push_back(transport_.receive(from, tag, data, bytes));
  }
  bool all_finished() {
    std::erase_if(requests_, [this](Request& request) { return transport_.test(request); });
    return requests_.empty();
  }

 private:
  Transport& transport_;
  std::vector<Request> requests_;
};

/// An operation of one stage: complete when its messages are.
class MessageOperation final : public Operation {
 public:
  explicit MessageOperation(PendingMessages messages) : messages_(std::move(messages)) {}

 private:
  bool advance() override { return messages_.all_finished(); }

  PendingMessages messages_;
};

}  // namespace moesaic::executor
