#pragma once
// Collectives between devices that have no path of their own: through host memory and a Communicator, whose bits the
// results have. What stays on a device never leaves it.

#include "executor/backend/backend.h"
#include "executor/comm/communicator.h"
#include "executor/comm/device_group.h"

namespace moesaic::executor {

class StagedGroup final : public DeviceGroup {
 public:
  /// `communicator`: nobody else starts operations on it; they are numbered from 0. `host`: memory that the device
  /// copies from and to (Backend::allocate_host); groups of one rank may share it. All three must outlive the group.
  StagedGroup(Communicator& communicator, Backend& backend, BufferPool& host)
      : communicator_(communicator), backend_(backend), host_(host) {}

  int rank() const override { return communicator_.rank(); }
  int size() const override { return communicator_.size(); }
  int transport_rank(int member) const override { return communicator_.transport_rank(member); }

  std::unique_ptr<Operation> all_to_all_v(const void* send_data, std::span<const int64_t> send_bytes,
                                          std::span<const int64_t> send_offset, void* recv_data,
                                          std::span<const int64_t> recv_bytes,
                                          std::span<const int64_t> recv_offset) override;
  std::unique_ptr<Operation> all_gather(const void* send_data, int64_t bytes, void* recv_data) override;
  std::unique_ptr<Operation> reduce_scatter(const void* input, void* output, int64_t count, SumType type) override;
  std::unique_ptr<Operation> all_reduce(void* data, int64_t count, SumType type) override;

 private:
  Communicator& communicator_;
  Backend& backend_;
  BufferPool& host_;
  int64_t sequence_ = 0;
};

}  // namespace moesaic::executor
