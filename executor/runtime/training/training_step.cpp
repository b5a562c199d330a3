#include "executor/runtime/training/training_step.h"

#include "core/schema/error.h"
#include "executor/runtime/training/captured_step.h"
#include "executor/runtime/training/initial_values.h"

namespace moesaic::executor {
namespace {

std::unique_ptr<ExpertStates> make_experts(const TaskGraph& graph, const Plan& plan, int rank, Backend& backend,
                                           const std::string& storage_folder) {
  if (plan.expert_storage.home == Tier::device || graph.placement.empty()) return nullptr;
  const auto fill = [&plan](const Piece& piece, float* local) {
    initialise(piece, false, plan.model.hidden, plan.workload.seed, local);
  };
  return std::make_unique<ExpertStates>(graph, plan, rank, backend, storage_folder, fill);
}

}  // namespace

TrainingStep::TrainingStep(const TaskGraph& graph, const Plan& plan, int rank, Backend& backend, Transport& transport,
                           const TrainingStepOptions& options)
    : tensors_(graph, backend, rank),
      experts_(make_experts(graph, plan, rank, backend, options.storage_folder)),
      verdict_(graph, plan.workload.optimizer, rank, tensors_, experts_.get()),
      step_(graph, plan, rank, backend, transport, tensors_,
            {experts_.get(), &verdict_, options.device_groups, options.capture, 0, options.record}) {
  MOESAIC_CHECK(!options.capture || captures(graph, plan), "this plan's steps cannot be captured");
}

StepRecord TrainingStep::run(int64_t step, Watch& watch) {
  StepRecord record = step_.run(step, watch);
  skipped_because_ = verdict_.skipped() ? verdict_.reason(control(), step_.owners_control(), watch) : "";
  return record;
}

}  // namespace moesaic::executor
