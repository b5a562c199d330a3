#include "executor/device_comm/staged_group.h"

#include "core/schema/bfloat16.h"
#include "core/schema/error.h"
#include "executor/device_comm/staged_operation.h"

namespace moesaic::executor {
namespace {

/// The parts of a device buffer for every member but one, packed into host memory from `begin` on.
struct PackedParts {
  std::vector<int64_t> bytes, offset;  // [size], in host memory
  std::vector<StagedCopy> copies;      // parts that are neighbours on the device too share one
  int64_t end;

  PackedParts(void* device, std::span<const int64_t> part_bytes, std::span<const int64_t> part_offset, size_t without,
              int64_t begin)
      : bytes(part_bytes.begin(), part_bytes.end()), offset(part_bytes.size()), end(begin) {
    bytes[without] = 0;
    auto* base = static_cast<std::byte*>(device);
    for (size_t member = 0; member < bytes.size(); ++member) {
      offset[member] = end;
      if (bytes[member] == 0) continue;
      std::byte* part = base + part_offset[member];
      if (!copies.empty() && static_cast<std::byte*>(copies.back().device) + copies.back().bytes == part) {
        copies.back().bytes += bytes[member];
      } else {
        copies.push_back({part, end, bytes[member]});
      }
      end += bytes[member];
    }
  }
};

/// Device memory that is only read; copies name both ends alike.
void* read_only(const void* data) { return const_cast<void*>(data); }

/// 64 bytes: what is received starts in a cache line of its own.
int64_t next_line(int64_t bytes) { return (bytes + 63) / 64 * 64; }

template <typename Call>
std::unique_ptr<Operation> with_element(SumType type, const Call& call) {
  switch (type) {
    case SumType::f32:
      return call(float{});
    case SumType::bf16:
      return call(BFloat16{});
    case SumType::f64:
      return call(double{});
  }
  throw InvariantError(__FILE__, __LINE__, "type", "no such type of sums");
}

}  // namespace

std::unique_ptr<Operation> StagedGroup::all_to_all_v(const void* send_data, std::span<const int64_t> send_bytes,
                                                     std::span<const int64_t> send_offset, void* recv_data,
                                                     std::span<const int64_t> recv_bytes,
                                                     std::span<const int64_t> recv_offset) {
  const auto me = static_cast<size_t>(rank()), members = static_cast<size_t>(size());
  MOESAIC_CHECK(send_bytes.size() == members && send_offset.size() == members && recv_bytes.size() == members &&
                    recv_offset.size() == members,
                "all_to_all_v needs sizes and offsets for every member");
  MOESAIC_CHECK(send_bytes[me] == recv_bytes[me], "a member sends itself what it receives from itself");
  if (send_bytes[me] > 0)
    backend_.copy(Lane::network, static_cast<std::byte*>(recv_data) + recv_offset[me],
                  static_cast<const std::byte*>(send_data) + send_offset[me], send_bytes[me]);
  PackedParts sent(read_only(send_data), send_bytes, send_offset, me, 0);
  PackedParts received(recv_data, recv_bytes, recv_offset, me, next_line(sent.end));
  StagedPlan plan;
  plan.host_bytes = received.end;
  plan.to_host = std::move(sent.copies);
  plan.to_device = std::move(received.copies);
  plan.start = [this, sequence = sequence_++, sent = std::move(sent), received = std::move(received)](std::byte* host) {
    return communicator_.all_to_all_v(sequence, host, sent.bytes, sent.offset, host, received.bytes, received.offset);
  };
  return std::make_unique<StagedOperation>(backend_, host_, std::move(plan));
}

std::unique_ptr<Operation> StagedGroup::all_gather(const void* send_data, int64_t bytes, void* recv_data) {
  auto* to = static_cast<std::byte*>(recv_data);
  const int64_t own = rank() * bytes, behind = own + bytes, end = size() * bytes;
  if (bytes > 0 && send_data != to + own) backend_.copy(Lane::network, to + own, send_data, bytes);
  StagedPlan plan;
  plan.host_bytes = end;
  if (bytes > 0 && size() > 1) plan.to_host.push_back({read_only(send_data), own, bytes});
  if (own > 0) plan.to_device.push_back({to, 0, own});
  if (behind < end) plan.to_device.push_back({to + behind, behind, end - behind});
  plan.start = [this, sequence = sequence_++, own, bytes](std::byte* host) {
    return communicator_.all_gather(sequence, host + own, bytes, host);
  };
  return std::make_unique<StagedOperation>(backend_, host_, std::move(plan));
}

std::unique_ptr<Operation> StagedGroup::reduce_scatter(const void* input, void* output, int64_t count, SumType type) {
  const int64_t bytes = count * bytes_of(type), own = rank() * bytes;
  StagedPlan plan;
  plan.host_bytes = size() * bytes;
  if (bytes > 0) {
    plan.to_host.push_back({read_only(input), 0, size() * bytes});
    plan.to_device.push_back({output, own, bytes});
  }
  plan.start = [this, sequence = sequence_++, count, own, type](std::byte* host) {
    const std::vector<int64_t> counts(static_cast<size_t>(size()), count);
    return with_element(type, [&]<typename T>(T) {
      return communicator_.reduce_scatter<T>(sequence, reinterpret_cast<T*>(host), reinterpret_cast<T*>(host + own),
                                             counts);
    });
  };
  return std::make_unique<StagedOperation>(backend_, host_, std::move(plan));
}

std::unique_ptr<Operation> StagedGroup::all_reduce(void* data, int64_t count, SumType type) {
  const int64_t bytes = count * bytes_of(type);
  StagedPlan plan;
  plan.host_bytes = bytes;
  if (bytes > 0 && size() > 1) {
    plan.to_host.push_back({data, 0, bytes});
    plan.to_device.push_back({data, 0, bytes});
  }
  plan.start = [this, sequence = sequence_++, count, type](std::byte* host) {
    return with_element(
        type, [&]<typename T>(T) { return communicator_.all_reduce<T>(sequence, reinterpret_cast<T*>(host), count); });
  };
  return std::make_unique<StagedOperation>(backend_, host_, std::move(plan));
}

}  // namespace moesaic::executor
