#include "planner/bounds/step_bound.h"

#include <algorithm>
#include <limits>

#include "core/cost/cost_model.h"
#include "core/graph/slot_counts.h"
#include "core/network/collective_demand.h"
#include "core/technique/lower.h"

namespace moesaic::planner {
namespace {

/// The plan with every decision below the layout at its baseline, which moves the fewest rows through the fewest
/// operators.
Plan bare(Plan plan) {
  plan.placement.clear();
  plan.dispatch = {plan.dispatch.kind, plan.dispatch.capacity_factor, AllToAllKind::flat, 1};
  plan.gradient_bucket_bytes = 0;
  return plan;
}

bool is_experts(Op op) { return op == Op::experts || op == Op::experts_dgrad || op == Op::experts_wgrad; }

/// Experts of all ranks, at the best price per row that a single slot can have at any load, spread evenly over the
/// ranks.
Seconds balanced_experts(const CostModel& prices, const Task& task, int64_t rows_of_group, int ep) {
  Seconds best = std::numeric_limits<Seconds>::max();
  for (int64_t rows = 1; rows <= std::max<int64_t>(1, rows_of_group); rows *= 2)
    best = std::min(best, prices.compute(task, rows).seconds / static_cast<double>(rows));
  return best * static_cast<double>(rows_of_group) / ep;
}

}  // namespace

StepBound step_bound(const Plan& original) {
  const Plan plan = bare(original);
  const TaskGraph graph = lower(plan);
  CostModel prices(plan.profile, plan.cluster);
  const RoutingBinding binding(graph, plan);
  StepBound bound;
  for (const Task& task : graph.tasks) {
    if (is_experts(task.op)) {
      const SlotCounts& counts = binding.counts(task.microbatch, task.moe_layer, 0, 0, 1);
      int64_t rows = 0;
      for (int source = 0; source < counts.num_ranks(); ++source) rows += counts.sent(source);
      bound.compute += balanced_experts(prices, task, rows, plan.layout.ep);
    } else if (task.op == Op::all_reduce) {
      const CollectiveDemand demand = demand_of(graph, task, 0, nullptr, plan.cluster);
      bound.network +=
          std::max(0.0, alpha_beta_seconds(demand, plan.cluster) - demand.latency_steps * plan.cluster.nic.latency_s -
                            demand.latency_steps * plan.cluster.intra_node.latency_s);
    } else if (task.op != Op::regroup && !is_collective(task.op)) {
      bound.compute +=
          prices.compute(task, task.rows == Rows::fixed ? task.fixed_rows : graph.tokens_per_rank * plan.model.top_k)
              .seconds;
    }
  }
  if (plan.cluster.device.lanes_share_core) bound.network = 0;
  return bound;
}

}  // namespace moesaic::planner
