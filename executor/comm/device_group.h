#pragma once
// Collectives between the memories of devices: what Communicator is for host memory, but in the order of a device's
// network lane. It knows neither tasks nor how many bytes a task moves: sizes are the caller's, as with Communicator.

#include <cstdint>
#include <memory>
#include <span>

#include "executor/comm/operation.h"

namespace moesaic::executor {

/// What a reduction adds. bf16 is summed in f32 where the group's library lets it, and rounded to bf16.
enum class SumType { f32, bf16, f64 };

inline constexpr int64_t bytes_of(SumType type) { return type == SumType::f64 ? 8 : type == SumType::f32 ? 4 : 2; }

/// A call appends its work to the network lane of the rank's device and returns: whatever that lane waits for before
/// the call (Backend::wait_for) comes first. All members start the same operations in the same order; a rank in several
/// groups starts theirs in one order that all ranks share (program order). Sizes must agree between members.
///
/// Operation::poll() turns true when the device has passed the operation; only then may its memory be touched by
/// other lanes. It throws DeviceError when the operation has failed, or was not passed within the time limit of a group
/// that has one, counted from its start. Operation::waiting_for() names the ranks that may be missing: all other
/// members, or fewer where it is known. The group must outlive its operations.
class DeviceGroup {
 public:
  virtual ~DeviceGroup() = default;

  virtual int rank() const = 0;  // among the members, from 0
  virtual int size() const = 0;
  virtual int transport_rank(int member) const = 0;  // of all ranks

  /// Member i's bytes [send_offset[j], + send_bytes[j]) arrive at member j's [recv_offset[i], + recv_bytes[i]).
  /// All four arrays are [size], in bytes, and are read before the call returns.
  virtual std::unique_ptr<Operation> all_to_all_v(const void* send_data, std::span<const int64_t> send_bytes,
                                                  std::span<const int64_t> send_offset, void* recv_data,
                                                  std::span<const int64_t> recv_bytes,
                                                  std::span<const int64_t> recv_offset) = 0;

  /// recv_data: [size, bytes]. In place when send_data == recv_data + rank * bytes.
  virtual std::unique_ptr<Operation> all_gather(const void* send_data, int64_t bytes, void* recv_data) = 0;

  /// input: [size, count] elements; output: [count], the sum over all members of row `rank` of their inputs.
  /// output may be this member's row of input.
  virtual std::unique_ptr<Operation> reduce_scatter(const void* input, void* output, int64_t count, SumType type) = 0;

  /// In place: data [count] becomes its sum over all members, bit-identical everywhere.
  virtual std::unique_ptr<Operation> all_reduce(void* data, int64_t count, SumType type) = 0;
};

}  // namespace moesaic::executor
