#include "executor/device_comm/staged_operation.h"

#include <algorithm>
#include <utility>

namespace moesaic::executor {

StagedOperation::StagedOperation(Backend& backend, BufferPool& host, StagedPlan plan)
    : backend_(backend),
      host_(std::make_unique<BufferPool::Loan>(host, std::max<int64_t>(plan.host_bytes, 1))),
      plan_(std::move(plan)) {
  for (const StagedCopy& copy : plan_.to_host)
    backend_.copy(Lane::network, host_->data() + copy.host_offset, copy.device, copy.bytes);
  copied_ = backend_.record(Lane::network);
}

std::vector<int> StagedOperation::waiting_for() const {
  return stage_ == Stage::exchange ? exchange_->waiting_for() : std::vector<int>{};
}

bool StagedOperation::advance() {
  if (stage_ == Stage::to_host) {
    if (!backend_.done(copied_)) return false;
    exchange_ = plan_.start(host_->data());
    stage_ = Stage::exchange;
  }
  if (stage_ == Stage::exchange) {
    if (!exchange_->poll()) return false;
    for (const StagedCopy& copy : plan_.to_device)
      backend_.copy(Lane::network, copy.device, host_->data() + copy.host_offset, copy.bytes);
    copied_ = backend_.record(Lane::network);
    stage_ = Stage::to_device;
  }
  if (!backend_.done(copied_)) return false;
  host_.reset();
  return true;
}

}  // namespace moesaic::executor
