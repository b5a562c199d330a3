#pragma once
// A group of ranks and its nonblocking collectives, written once on top of point-to-point messages.
// It does not decide the order of operations: the caller numbers them, and all members start them in the same order.

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "executor/comm/buffer_pool.h"
#include "executor/comm/operation.h"
#include "executor/comm/transport.h"

namespace moesaic::executor {

/// Every operation starts when it is created and ends when poll() says so. `sequence` is the same on all members and
/// different for operations in flight at the same time, which therefore cannot mix. Members count from 0 within the
/// group. Sizes must agree between members; nothing is sent where they are zero. Sums are taken in rank order
/// (rank_ordered_sum.h). The communicator must outlive its operations, and the transport the communicator.
class Communicator {
 public:
  /// `ranks`: transport ranks, ascending, this rank among them. `id`: 0..65535, the same on all members and different
  /// for communicators that share two or more ranks.
  Communicator(Transport& transport, std::vector<int> ranks, int id);
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  int rank() const { return rank_; }
  int size() const { return static_cast<int>(ranks_.size()); }
  int transport_rank(int member) const { return ranks_[member]; }
  Transport& transport() const { return transport_; }
  const BufferPool& buffers() const { return buffers_; }

  /// Member i's bytes [send_offset[j], + send_bytes[j]) arrive at member j's [recv_offset[i], + recv_bytes[i]).
  /// All four arrays are [size], in bytes, and are read before the call returns.
  std::unique_ptr<Operation> all_to_all_v(int64_t sequence, const void* send_data, std::span<const int64_t> send_bytes,
                                          std::span<const int64_t> send_offset, void* recv_data,
                                          std::span<const int64_t> recv_bytes, std::span<const int64_t> recv_offset);

  /// recv_data: [size, bytes]. In place when send_data == recv_data + rank * bytes.
  std::unique_ptr<Operation> all_gather(int64_t sequence, const void* send_data, int64_t bytes, void* recv_data);
  /// Member i's recv_bytes[i] bytes arrive everywhere at recv_offset[i]. Both arrays: [size].
  std::unique_ptr<Operation> all_gather_v(int64_t sequence, const void* send_data, void* recv_data,
                                          std::span<const int64_t> recv_bytes, std::span<const int64_t> recv_offset);

  /// input: [sum of counts], cut into consecutive slices of counts[member] elements; output: [counts[rank]], the sum
  /// over all members of this member's slice. output may be this member's slice of input. T: float, double,
  /// BFloat16 (rank_ordered_sum.h).
  template <typename T>
  std::unique_ptr<Operation> reduce_scatter(int64_t sequence, const T* input, T* output,
                                            std::span<const int64_t> counts);

  /// In place: data[i] becomes its sum over all members, bit-identical everywhere. Slices are even_slices(count, size).
  /// T: as for reduce_scatter.
  template <typename T>
  std::unique_ptr<Operation> all_reduce(int64_t sequence, T* data, int64_t count);

  std::unique_ptr<Operation> send(int64_t sequence, int to, const void* data, int64_t bytes);
  std::unique_ptr<Operation> receive(int64_t sequence, int from, void* data, int64_t bytes);

  /// Completes on a member only after every member has started it.
  std::unique_ptr<Operation> barrier(int64_t sequence);

 private:
  int64_t tag(int64_t sequence) const;

  Transport& transport_;
  std::vector<int> ranks_;  // [size] transport ranks
  int id_;
  int rank_;
  BufferPool buffers_;
};

}  // namespace moesaic::executor
