#include "cli/report_input.h"

#include <algorithm>

#include "cli/results.h"
#include "core/technique/lower.h"
#include "core/timeline/critical_path.h"

namespace moesaic::cli {

namespace {

/// What the step is bound by, and how much of the devices that uses. A timeline of another plan has other tasks, for
/// which nobody knows who meets.
void add_bounds(const Plan& plan, const TaskGraph& graph, const Timeline& timeline, ReportInput& input) {
  const auto same = [](const TaskRow& row, const Task& task) { return row.label == task.label; };
  if (!std::ranges::equal(timeline.rows, graph.tasks, same)) return;
  const std::string side = timeline.measured ? "measured" : "predicted";
  input.summary.emplace_back(side + " step bound by", what_bounds(critical_path(timeline, graph)));
  if (timeline.step_seconds > 0)
    input.summary.emplace_back(
        side + " tokens per second",
        tokens_text(plan, static_cast<double>(plan.workload.tokens_per_step()) / timeline.step_seconds));
}

}  // namespace

ReportInput report_input(const Plan& plan, const Timeline* predicted, const Timeline* measured,
                         const Comparison* comparison, std::map<std::string, Bytes> measured_peaks) {
  ReportInput input;
  input.title = plan.name;
  input.summary = plan_rows(plan);
  input.predicted = predicted;
  input.measured = measured;
  input.comparison = comparison;
  const TaskGraph graph = lower(plan);
  for (const Timeline* timeline : {predicted, measured})
    if (timeline != nullptr) add_bounds(plan, graph, *timeline, input);
  const Timeline* shown = measured != nullptr ? measured : predicted;
  input.placement = graph.placement;
  input.tiers = tier_memories(graph, plan.cluster, shown != nullptr ? rank_of_peak(*shown) : 0);
  input.measured_peaks = std::move(measured_peaks);
  const int64_t tokens =
      plan.workload.tokens_per_step() / (int64_t{plan.layout.stage_ranks()} * plan.layout.micro_batches);
  const Routing routing(plan.routing, plan.model.num_moe_layers(), plan.layout.stage_ranks(), plan.model.num_experts,
                        tokens * plan.model.top_k, plan.model.top_k);
  for (int layer = 0; layer < plan.model.num_moe_layers(); ++layer) {
    std::vector<double>& loads = input.expert_loads.emplace_back();  // of slices, as placement counts them
    for (double load : routing.mean_load(layer))
      loads.insert(loads.end(), static_cast<size_t>(plan.layout.expert_slices), load);
  }
  input.loads_recorded = plan.routing.recorded();
  return input;
}

}  // namespace moesaic::cli
