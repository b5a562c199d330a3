#pragma once
// One collective between devices by way of host memory: copies to the host, the communicator's operation, copies back.
// It does not know which collective it is.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "executor/backend/backend.h"
#include "executor/comm/buffer_pool.h"
#include "executor/comm/operation.h"

namespace moesaic::executor {

/// Between a place of device memory and one of the operation's host memory.
struct StagedCopy {
  void* device = nullptr;
  int64_t host_offset = 0;
  int64_t bytes = 0;
};

struct StagedPlan {
  int64_t host_bytes = 0;
  std::vector<StagedCopy> to_host, to_device;
  /// The communicator's operation on the host memory, which holds what to_host has brought.
  std::function<std::unique_ptr<Operation>(std::byte* host)> start;
};

/// All copies are on the network lane: those to the host are appended by the constructor, those back by the poll that
/// finds the communicator's operation complete.
class StagedOperation final : public Operation {
 public:
  /// `backend` and `host` must outlive it.
  StagedOperation(Backend& backend, BufferPool& host, StagedPlan plan);
  /// Nobody while the copies run.
  std::vector<int> waiting_for() const override;

 private:
  enum class Stage { to_host, exchange, to_device };

  bool advance() override;

  Backend& backend_;
  std::unique_ptr<BufferPool::Loan> host_;
  StagedPlan plan_;
  Stage stage_ = Stage::to_host;
  Event copied_ = 0;  // behind the copies of this stage
  std::unique_ptr<Operation> exchange_;
};

}  // namespace moesaic::executor
