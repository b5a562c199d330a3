#include "executor/profiling/shapes.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "core/cost/signature.h"
#include "core/technique/lower.h"
#include "executor/cpu/row_heights.h"

namespace moesaic::executor {
namespace {

constexpr int kRoutedPoints = 8;

/// What the tasks of one signature ask for, over all plans.
struct Demand {
  OperatorShape shape;
  std::set<int64_t> exact;  // fixed rows, or those of balanced routing
  int64_t most = 0;         // routed: the largest plausible rows; 0: fixed
  int64_t unit = 1;
};

int64_t unit_of(Op op, const OpShape& shape) {
  if (op == Op::attention || op == Op::attention_backward) return shape.sequence;
  if (op == Op::router || op == Op::router_backward) return 1;
  return std::max<int64_t>(shape.top_k, 1);
}

int64_t whole_units(int64_t rows, int64_t unit) { return std::max<int64_t>((rows + unit - 1) / unit, 1) * unit; }

/// Has the rows of its plan's placement and no others: a curve would be a point.
bool is_bound_to_placement(Op op) { return op == Op::gather_replicas || op == Op::spread_replicas; }

/// Routing gives any number of rows, and products are fastest on multiples of their granularity: a count halfway
/// between two of them.
int64_t typical_count(int64_t rows) {
  constexpr int64_t kRows = cpu::kRowGranularity;
  return rows < kRows ? rows : rows / kRows * kRows + kRows / 2;
}

void add_task(const Task& task, const Plan& plan, const TaskGraph& graph, Demand& demand) {
  if (task.rows == Rows::fixed || task.rows == Rows::local) {
    demand.exact.insert(task.fixed_rows);
    if (task.rows == Rows::local) demand.exact.insert(graph.local_tokens.begin(), graph.local_tokens.end());
    return;
  }
  if (is_window(task.rows)) {
    demand.exact.insert(graph.placement[task.moe_layer].slots_per_rank);
    return;
  }
  const int64_t rows = balanced_rows(plan, graph);
  const int slots = is_experts(task.op) ? graph.placement[task.moe_layer].slots_per_rank : 1;
  // Weight gradients take all chunks at once.
  const int chunks = task.op == Op::experts_wgrad ? 1 : task.num_chunks;
  const int64_t balanced = rows / slots / chunks;
  demand.exact.insert(is_experts(task.op) ? typical_count(balanced) : whole_units(balanced, demand.unit));
  demand.most = std::max(demand.most, whole_units(2 * rows * plan.layout.ranks, demand.unit));
}

void choose_rows(Demand& demand) {
  std::set<int64_t> range, further;
  // Masks have as many columns as their tokens send rows: other tokens have another shape.
  const bool one_size = family_of(demand.shape.op) == Family::einsum_rows;
  if (demand.most == 0 && !one_size) {
    further = {whole_units(*demand.exact.begin() / 2, demand.unit),
               whole_units(2 * *demand.exact.rbegin(), demand.unit)};
  } else if (demand.most > 0) {
    range = {demand.unit, demand.most};
    for (int i = 1; i + 1 < kRoutedPoints; ++i) {
      const int64_t rows = std::llround(std::pow(demand.most, static_cast<double>(i) / (kRoutedPoints - 1)));
      further.insert(is_experts(demand.shape.op) ? typical_count(rows) : whole_units(rows, demand.unit));
    }
  }
  demand.shape.own_rows.assign(demand.exact.begin(), demand.exact.end());
  for (const int64_t rows : range)
    if (!demand.exact.contains(rows)) demand.shape.range_rows.push_back(rows);
  for (const int64_t rows : further)
    if (!demand.exact.contains(rows) && !range.contains(rows)) demand.shape.further_rows.push_back(rows);
}

}  // namespace

int64_t balanced_rows(const Plan& plan, const TaskGraph& graph) { return graph.tokens_per_rank * plan.model.top_k; }

Plan measured_form(const Plan& plan) {
  Plan simple = plan;
  simple.dispatch = {};
  if (plan.dispatch.kernel == RowKernel::einsum) {  // which is a kernel of padded rows
    simple.dispatch.kind = DispatchKind::padded;
    simple.dispatch.capacity_factor = plan.dispatch.capacity_factor;
    simple.dispatch.kernel = RowKernel::einsum;
  }
  simple.gradient_bucket_bytes = 0;
  simple.layout.recompute = Recompute::none;
  simple.layout.ranks /= std::exchange(simple.layout.pp, 1);  // one stage with all layers
  return simple;
}

std::vector<OperatorShape> collect_shapes(const std::vector<Plan>& plans) {
  std::vector<Demand> demands;
  std::map<std::string, size_t> known;  // signature -> index of demands
  for (size_t i = 0; i < plans.size(); ++i) {
    const TaskGraph graph = lower(plans[i]);
    for (const Task& task : graph.tasks) {
      if (is_collective(task.op) || is_bound_to_placement(task.op)) continue;
      const auto [entry, is_new] = known.try_emplace(signature_of(task.op, task.dtype, task.shape), demands.size());
      if (is_new) {
        const OperatorShape shape{task.op, curve_dtype(task.op, task.dtype), task.shape, i, {}, {}, {}};
        demands.push_back({shape, {}, 0, unit_of(task.op, task.shape)});
      }
      add_task(task, plans[i], graph, demands[entry->second]);
    }
  }
  std::vector<OperatorShape> shapes;
  for (Demand& demand : demands) {
    choose_rows(demand);
    shapes.push_back(std::move(demand.shape));
  }
  return shapes;
}

}  // namespace moesaic::executor
