#include "experiments/12_do_gpu_predictions_hold/measured_run.h"

#include "core/schema/error.h"
#include "planner/layout/enumerate.h"
#include "planner/search/candidates.h"

namespace moesaic::experiments {

Plan plan_of_run(planner::Problem problem, const std::string& device, const Layout& layout,
                 const Laboratory& laboratory) {
  constexpr int kDevicesPerNode = 8;  // of every HGX and DGX
  const int nodes = (layout.ranks + kDevicesPerNode - 1) / kDevicesPerNode;
  problem.cluster = laboratory.cluster(device + "-" + std::to_string(nodes) + "x" + std::to_string(kDevicesPerNode));
  problem.profile = laboratory.profile(problem.cluster);
  problem.routing = laboratory.routing("uniform");
  problem.ranks = layout.ranks;
  Plan plan = planner::with_baseline_choices(problem, planner::baseline_plan(problem, layout));
  if (const std::string refusal = planner::lowering_refusal(plan); !refusal.empty()) refuse_run(refusal, "");
  return plan;
}

void refuse_run(const std::string& problem, const std::string& expected) {
  throw InputError("measured run", "", problem, expected);
}

}  // namespace moesaic::experiments
