#pragma once
// One group of GPUs that NCCL connects: its collectives, appended to the stream of the network lane. It makes no
// communicator (NcclWorld).

#include <string>
#include <vector>

#include "executor/backend/backend.h"
#include "executor/comm/device_group.h"
#include "executor/nccl/nccl_communicators.h"

namespace moesaic::executor {

/// What is in `recv` of an all-to-all's own part never passes through NCCL. Sums have the order that NCCL chooses, so
/// their bits may depend on the group's shape, size and NCCL's version; bf16 may be rounded at every addition.
class NcclGroup final : public DeviceGroup {
 public:
  /// `comm` connects `ranks`, ascending, in this order; `own_rank` is one of them. `stream` is the network lane's of
  /// `backend`. Both references must outlive the group.
  NcclGroup(NcclCommunicators& communicators, ncclComm_t comm, std::vector<int> ranks, int own_rank, Backend& backend,
            cudaStream_t stream);

  int rank() const override { return rank_; }
  int size() const override { return static_cast<int>(ranks_.size()); }
  int transport_rank(int member) const override { return ranks_[static_cast<size_t>(member)]; }

  std::unique_ptr<Operation> all_to_all_v(const void* send_data, std::span<const int64_t> send_bytes,
                                          std::span<const int64_t> send_offset, void* recv_data,
                                          std::span<const int64_t> recv_bytes,
                                          std::span<const int64_t> recv_offset) override;
  std::unique_ptr<Operation> all_gather(const void* send_data, int64_t bytes, void* recv_data) override;
  std::unique_ptr<Operation> reduce_scatter(const void* input, void* output, int64_t count, SumType type) override;
  std::unique_ptr<Operation> all_reduce(void* data, int64_t count, SumType type) override;

 private:
  std::string title(const char* name, int64_t bytes) const;
  std::unique_ptr<Operation> appended(std::string title);

  NcclCommunicators& communicators_;
  const NcclApi& api_;
  ncclComm_t comm_;
  std::vector<int> ranks_;  // [size] of all ranks
  int rank_;
  Backend& backend_;
  cudaStream_t stream_;
};

}  // namespace moesaic::executor
