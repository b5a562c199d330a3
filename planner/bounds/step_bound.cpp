#include "planner/bounds/step_bound.h"

#include <algorithm>
#include <limits>
#include <map>

#include "core/cost/cost_model.h"
#include "core/cost/signature.h"
#include "core/graph/routing_binding.h"
#include "core/graph/stages.h"
#include "core/network/collective_demand.h"
#include "core/technique/lower.h"

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

/// Prices that hold whatever a plan cuts or fuses: the least seconds per row at any size.
class BestPrices {
 public:
  explicit BestPrices(const Plan& plan) : profile_(plan.profile), cost_(plan.profile, plan.cluster) {}

  /// Least price of `rows` rows of a task, cut into pieces of any size.
  Seconds cut(const Task& task, int64_t rows) {
    return rows <= 0 ? 0 : least_per_row(task, rows) * static_cast<double>(rows);
  }
  Seconds whole(const Task& task, int64_t rows) const { return cost_.compute(task, rows).seconds; }

  /// A measured curve may beat the alpha-beta price.
  bool measured(const Task& task, const CollectiveDemand& demand) const {
    return cost_.collective_curve(task.op, static_cast<int>(demand.members.size()), demand.crosses_nodes) != nullptr;
  }

 private:
  /// A curve is linear between its points, so the least price per row stands at one of them, at the largest size, or
  /// below the first point, where every size is tried; powers of two serve for curves scaled from other dimensions.
  Seconds least_per_row(const Task& task, int64_t most) {
    const std::string stored = name_of(stored_as(task).weights);
    const auto [known, fresh] = memo_.try_emplace({signature_of(task.op, task.dtype, task.shape) + stored, most}, 0);
    if (!fresh) return known->second;
    if (const Seconds of_tables = cost_.least_per_row(task); of_tables > 0) return known->second = of_tables;
    Seconds least = std::numeric_limits<Seconds>::max();
    const auto at = [&](int64_t rows) {
      if (rows <= most) least = std::min(least, whole(task, rows) / static_cast<double>(rows));
    };
    at(most);
    for (int64_t rows = 1; rows <= most; rows *= 2) at(rows);
    for (const int64_t rows : cost_.table_rows(task)) at(rows);
    for (const OperatorCurve& curve : profile_.operators) {
      if (curve.op != name_of(task.op)) continue;
      for (int64_t rows = 1; rows < std::min(curve.rows.front(), most); ++rows) at(rows);
      for (const int64_t rows : curve.rows) at(std::max<int64_t>(1, rows));
    }
    return known->second = least;
  }

  const Profile& profile_;
  CostModel cost_;
  std::map<std::pair<std::string, int64_t>, Seconds> memo_;
};

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
int64_t least_rows(const Plan& plan, const TaskGraph& graph, const RoutingBinding& binding, const Task& task) {
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

/// Prices are then bytes over the busiest port; buckets may save every latency and message.
Cluster without_latency(Cluster cluster) {
  cluster.nic.latency_s = cluster.intra_node.latency_s = cluster.spine.latency_s = 0;
  cluster.nic.message_s = cluster.intra_node.message_s = 0;
  return cluster;
}

StepBound bound_of_stage(const Plan& plan, const TaskGraph& graph, const RoutingBinding& binding, BestPrices& prices,
                         int stage) {
  const int rank = stage * plan.layout.stage_ranks();
  const Cluster ports = without_latency(plan.cluster);
  StepBound bound;
  Task update;
  int64_t updated = 0;  // elements: buckets fuse AdamW tasks
  for (const Task& task : graph.tasks) {
    if (!runs_on(task, stage)) continue;
    if (is_experts(task.op) || (task.rows == Rows::received && moves_choices(task.op))) {
      bound.compute += prices.cut(task, rows_of_group(binding, task)) / plan.layout.ep;
    } else if (task.op == Op::adamw) {
      update = task, updated += task.fixed_rows;
    } else if (task.op == Op::all_reduce) {
      const CollectiveDemand demand = demand_of(graph, task, rank, nullptr, ports, binding.rows(task, 0, 0));
      if (!prices.measured(task, demand)) bound.network += alpha_beta_seconds(demand, ports);
    } else if (task.op != Op::regroup && !is_collective(task.op)) {
      const bool whole = task.rows == Rows::fixed && plan.cluster.device_speeds.empty();
      bound.compute += whole ? prices.whole(task, task.fixed_rows)
                       : task.rows == Rows::local || task.rows == Rows::fixed
                           ? prices.cut(task, mean_tokens(graph))
                           : prices.cut(task, least_rows(plan, graph, binding, task));
    }
  }
  bound.compute += prices.cut(update, updated);
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
