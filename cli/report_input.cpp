#include "cli/report_input.h"

#include "cli/results.h"
#include "core/technique/lower.h"

namespace moesaic::cli {

ReportInput report_input(const Plan& plan, const Timeline* predicted, const Timeline* measured,
                         const Comparison* comparison, std::map<std::string, Bytes> measured_peaks) {
  ReportInput input;
  input.title = plan.name;
  input.summary = plan_rows(plan);
  input.predicted = predicted;
  input.measured = measured;
  input.comparison = comparison;
  const TaskGraph graph = lower(plan);
  const Timeline* shown = measured != nullptr ? measured : predicted;
  input.placement = graph.placement;
  input.tiers = tier_memories(graph, plan.cluster, shown != nullptr ? rank_of_peak(*shown) : 0);
  input.measured_peaks = std::move(measured_peaks);
  const int64_t tokens =
      plan.workload.tokens_per_step() / (int64_t{plan.layout.stage_ranks()} * plan.layout.micro_batches);
  const Routing routing(plan.routing, plan.model.num_moe_layers(), plan.layout.stage_ranks(), plan.model.num_experts,
                        tokens * plan.model.top_k);
  for (int layer = 0; layer < plan.model.num_moe_layers(); ++layer) {
    std::vector<double>& loads = input.expert_loads.emplace_back();  // of slices, as placement counts them
    for (double load : routing.mean_load(layer))
      loads.insert(loads.end(), static_cast<size_t>(plan.layout.expert_slices), load);
  }
  input.loads_recorded = plan.routing.recorded();
  return input;
}

}  // namespace moesaic::cli
