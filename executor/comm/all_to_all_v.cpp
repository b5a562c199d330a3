// Flat all-to-all: every pair exchanges directly. Member r starts with its neighbours r + 1 and r - 1, so that at no
// time all members send to the same one.

#include <cstring>

#include "core/schema/error.h"
#include "executor/comm/communicator.h"

namespace moesaic::executor {

std::unique_ptr<Operation> Communicator::all_to_all_v(int64_t sequence, const void* send_data,
                                                      std::span<const int64_t> send_bytes,
                                                      std::span<const int64_t> send_offset, void* recv_data,
                                                      std::span<const int64_t> recv_bytes,
                                                      std::span<const int64_t> recv_offset) {
  const auto members = static_cast<size_t>(size());
  MOESAIC_CHECK(send_bytes.size() == members && send_offset.size() == members && recv_bytes.size() == members &&
                    recv_offset.size() == members,
                "all_to_all_v needs sizes and offsets for every member");
  MOESAIC_CHECK(send_bytes[rank_] == recv_bytes[rank_], "a member sends itself what it receives from itself");
  const auto* from = static_cast<const std::byte*>(send_data);
  auto* to = static_cast<std::byte*>(recv_data);
  const int64_t message_tag = tag(sequence);
  PendingMessages messages(transport_);
  for (int step = 1; step < size(); ++step) {
    const int source = (rank_ - step + size()) % size();
    if (recv_bytes[source] == 0) continue;
    messages.receive(ranks_[source], message_tag, to + recv_offset[source], recv_bytes[source]);
  }
  for (int step = 1; step < size(); ++step) {
    const int target = (rank_ + step) % size();
    if (send_bytes[target] == 0) continue;
    messages.send(ranks_[target], message_tag, from + send_offset[target], send_bytes[target]);
  }
  if (send_bytes[rank_] > 0) {
    std::memcpy(to + recv_offset[rank_], from + send_offset[rank_], static_cast<size_t>(send_bytes[rank_]));
  }
  return std::make_unique<MessageOperation>(std::move(messages));
}

}  // namespace moesaic::executor
