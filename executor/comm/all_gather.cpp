// Flat all-gather: every member sends its part to every other one, nearest neighbour first.

#include <cstring>

#include "core/schema/error.h"
#include "executor/comm/communicator.h"

namespace moesaic::executor {

std::unique_ptr<Operation> Communicator::all_gather(int64_t sequence, const void* send_data, int64_t bytes,
                                                    void* recv_data) {
  const std::vector<int64_t> recv_bytes(size(), bytes);
  std::vector<int64_t> recv_offset(size());
  for (int member = 0; member < size(); ++member) recv_offset[member] = member * bytes;
  return all_gather_v(sequence, send_data, recv_data, recv_bytes, recv_offset);
}

std::unique_ptr<Operation> Communicator::all_gather_v(int64_t sequence, const void* send_data, void* recv_data,
                                                      std::span<const int64_t> recv_bytes,
                                                      std::span<const int64_t> recv_offset) {
  const auto members = static_cast<size_t>(size());
  MOESAIC_CHECK(recv_bytes.size() == members && recv_offset.size() == members,
                "all_gather_v needs a size and an offset for every member");
  auto* to = static_cast<std::byte*>(recv_data);
  const int64_t message_tag = tag(sequence);
  const int64_t own_bytes = recv_bytes[rank_];
  PendingMessages messages(transport_);
  for (int step = 1; step < size(); ++step) {
    const int source = (rank_ - step + size()) % size();
    if (recv_bytes[source] == 0) continue;
    messages.receive(ranks_[source], message_tag, to + recv_offset[source], recv_bytes[source]);
  }
  for (int step = 1; step < size() && own_bytes > 0; ++step) {
    messages.send(ranks_[(rank_ + step) % size()], message_tag, send_data, own_bytes);
  }
  if (own_bytes > 0 && send_data != to + recv_offset[rank_]) {
    std::memcpy(to + recv_offset[rank_], send_data, static_cast<size_t>(own_bytes));
  }
  return std::make_unique<MessageOperation>(std::move(messages));
}

}  // namespace moesaic::executor
