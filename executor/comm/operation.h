#pragma once
// A nonblocking operation on a communicator and the set of messages that one of its stages waits for.
// It is not a thread or a future: nothing moves unless somebody polls.

#include <algorithm>
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

  /// Transport ranks, ascending, whose messages the present stage has not finished. That a rank is missing says nothing
  /// about why: it may be slow, stopped, dead, or waiting for another one itself.
  virtual std::vector<int> waiting_for() const = 0;

 private:
  virtual bool advance() = 0;

  bool complete_ = false;
};

/// The unfinished messages of one stage.
class PendingMessages {
 public:
  explicit PendingMessages(Transport& transport) : transport_(transport) {}

  void send(int to, int64_t tag, const void* data, int64_t bytes) {
    messages_.push_back({to, transport_.send(to, tag, data, bytes)});
  }
  void receive(int from, int64_t tag, void* data, int64_t bytes) {
    messages_.push_back({from, transport_.receive(from, tag, data, bytes)});
  }
  bool all_finished() {
    std::erase_if(messages_, [this](Message& message) { return transport_.test(message.request); });
    return messages_.empty();
  }
  /// The other ends, ascending, each once.
  std::vector<int> peers() const {
    std::vector<int> peers;
    for (const Message& message : messages_) peers.push_back(message.peer);
    std::sort(peers.begin(), peers.end());
    peers.erase(std::unique(peers.begin(), peers.end()), peers.end());
    return peers;
  }

 private:
  struct Message {
    int peer;
    Request request;
  };

  Transport& transport_;
  std::vector<Message> messages_;
};

/// An operation of one stage: complete when its messages are.
class MessageOperation final : public Operation {
 public:
  explicit MessageOperation(PendingMessages messages) : messages_(std::move(messages)) {}
  std::vector<int> waiting_for() const override { return messages_.peers(); }

 private:
  bool advance() override { return messages_.all_finished(); }

  PendingMessages messages_;
};

}  // namespace moesaic::executor
