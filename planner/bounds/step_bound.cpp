#include "planner/bounds/step_bound.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/graph/routing_binding.h"
#include "core/graph/stages.h"
#include "core/network/collective_demand.h"
#include "core/technique/lower.h"
#include "planner/bounds/best_prices.h"

namespace moesaic::planner {
namespace {

/// The plan with every decision below the layout at its baseline, which moves the fewest rows through the fewest
/// operators.
Plan bare(Plan plan) {
  plan.placement.clear();
  plan.dispatch.all_to_all = AllToAllKind::flat;
  plan.dispatch.chunks = 1;
  plan.gradient_bucket_bytes = 0;
  return plan;
}

/// Rows that all experts of the task's layer receive, in the expert-parallel group of rank 0. A placement may give any
/// rank as many as it likes; their mean stays.
int64_t rows_of_group(const RoutingBinding& binding, const Task& task) {
  const SlotCounts& counts = binding.counts(task.microbatch, task.moe_layer, 0, 0, 1);
  int64_t rows = 0;
  for (int source = 0; source < counts.num_sources(); ++source) rows += counts.sent(source);
  return rows;
}

/// Where tokens are gathered, they move the rows of the rank's own experts.
bool moves_choices(Op op) { return family_of(op) == Family::row_movers && op != Op::regroup; }

/// A split of the batch may give a rank any number of tokens; their mean stays.
int64_t mean_tokens(const TaskGraph& graph) {
  int64_t tokens = 0;
  for (int rank = 0; rank < graph.num_ranks; ++rank) tokens += graph.tokens_of(rank);
  return tokens / graph.num_ranks;
}

/// Of a task whose rows routing decides: where tokens may go to a node once, permute has a row for each at least.
int64_t least_routed_rows(const Plan& plan, const TaskGraph& graph, const RoutingBinding& binding, const Task& task) {
  const int64_t rows = binding.rows(task, 0, 0);
  return task.op == Op::permute && plan.layout.ep > plan.cluster.devices_per_node ? std::min(rows, mean_tokens(graph))
                                                                                  : rows;
}

/// Of the devices of a pipeline stage: work that they share takes at least its time at speed 1 over this.
double mean_speed(const Plan& plan, int stage) {
  const int ranks = plan.layout.stage_ranks();
  double sum = 0;
  for (int rank = 0; rank < ranks; ++rank) sum += plan.cluster.speed_of(stage * ranks + rank);
  return sum / ranks;
}

/// Elements that updates and what looks at gradients before them run on: buckets fuse their tasks, of several layers
/// too.
class Updates {
 public:
  void add(const Task& task) {
    const auto is_like = [&](const auto& known) {
      return known.first.op == task.op && known.first.dtype == task.dtype &&
             known.first.stored_dtype == task.stored_dtype;
    };
    const auto known = std::find_if(elements_.begin(), elements_.end(), is_like);
    if (known == elements_.end())
      elements_.emplace_back(task, task.fixed_rows);
    else
      known->second += task.fixed_rows;
  }
  Seconds least(BestPrices& prices) const {
    Seconds seconds = 0;
    for (const auto& [task, elements] : elements_) seconds += prices.cut(task, static_cast<double>(elements));
    return seconds;
  }

 private:
  std::vector<std::pair<Task, int64_t>> elements_;  // by kind
};

StepBound bound_of_stage(const Plan& plan, const TaskGraph& graph, const RoutingBinding& binding, BestPrices& prices,
                         int stage) {
  const int rank = stage * plan.layout.stage_ranks();
  const Cluster ports = without_latency(plan.cluster);
  StepBound bound;
  Updates updates;
  for (const Task& task : graph.tasks) {
    if (!runs_on(task, stage)) continue;
    if (is_experts(task.op) || (task.rows == Rows::received && moves_choices(task.op))) {
      bound.compute += prices.cut(task, rows_of_group(binding, task)) / plan.layout.ep;
    } else if (task.op == Op::adamw || checks_gradients(task.op)) {
      updates.add(task);
    } else if (task.op == Op::all_reduce) {
      const CollectiveDemand demand = demand_of(graph, task, rank, nullptr, ports, binding.rows(task, 0, 0));
      if (!prices.measured(task, demand)) bound.network += alpha_beta_seconds(demand, ports);
    } else if (task.op != Op::regroup && !is_collective(task.op)) {
      const bool whole = task.rows == Rows::fixed && plan.cluster.device_speeds.empty();
      bound.compute += whole ? prices.whole(task, task.fixed_rows)
                       : task.rows == Rows::local || task.rows == Rows::fixed
                           ? prices.cut(task, mean_tokens(graph))
                           : prices.cut(task, least_routed_rows(plan, graph, binding, task));
    }
  }
  bound.compute += updates.least(prices);
  bound.compute /= mean_speed(plan, stage);
  if (plan.cluster.device.lanes_share_core) bound.network = 0;
  return bound;
}

}  // namespace

StepBound step_bound(const Plan& original) {
  const Plan plan = bare(original);
  const TaskGraph graph = lower(plan);
  const RoutingBinding binding(plan);
  BestPrices prices(plan);
  StepBound bound;
  for (int stage = 0; stage < graph.num_stages; ++stage) {
    const StepBound own = bound_of_stage(plan, graph, binding, prices, stage);
    bound.compute = std::max(bound.compute, own.compute);
    bound.network = std::max(bound.network, own.network);
  }
  return bound;
}

}  // namespace moesaic::planner
