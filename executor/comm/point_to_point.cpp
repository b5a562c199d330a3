// One message from one member to another, as an operation.

#include "core/schema/error.h"
#include "executor/comm/communicator.h"

namespace moesaic::executor {

std::unique_ptr<Operation> Communicator::send(int64_t sequence, int to, const void* data, int64_t bytes) {
  MOESAIC_CHECK(to >= 0 && to < size() && to != rank_, "a message goes to another member");
  PendingMessages message(transport_);
  message.send(ranks_[to], tag(sequence), data, bytes);
  return std::make_unique<MessageOperation>(std::move(message));
}

std::unique_ptr<Operation> Communicator::receive(int64_t sequence, int from, void* data, int64_t bytes) {
  MOESAIC_CHECK(from >= 0 && from < size() && from != rank_, "a message comes from another member");
  PendingMessages message(transport_);
  message.receive(ranks_[from], tag(sequence), data, bytes);
  return std::make_unique<MessageOperation>(std::move(message));
}

}  // namespace moesaic::executor
