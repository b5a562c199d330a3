#include "executor/runtime/training/captured_step.h"

#include <algorithm>

#include "core/schema/error.h"
#include "core/technique/agree_on_update.h"
#include "core/technique/lower.h"

namespace moesaic::executor {

bool captures(const TaskGraph& graph, const Plan& plan) {
  return plan.layout.ranks == 1 && !plan.cluster.device.lanes_share_core && verdict_task(graph) >= 0 &&
         (graph.placement.empty() ||
          (plan.dispatch.kind == DispatchKind::padded && plan.expert_storage.home == Tier::device)) &&
         std::all_of(graph.tasks.begin(), graph.tasks.end(),
                     [](const Task& task) { return task.lane == Lane::compute; });
}

void check_captures(const Plan& plan, const std::string& file) {
  if (plan.layout.ranks == 1 && captures(lower(plan), plan)) return;
  throw InputError(file, "", "its steps cannot be captured as a CUDA graph",
                   "one rank on a GPU, experts on the device, and no MoE layer or padded dispatch",
                   "leave --cuda-graph out, or plan with padded dispatch");
}

}  // namespace moesaic::executor
