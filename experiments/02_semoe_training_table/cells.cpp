#include "experiments/02_semoe_training_table/cells.h"

#include <algorithm>

#include "core/graph/memory.h"
#include "core/operators/attention.h"
#include "core/technique/lower.h"
#include "experiments/figures/table.h"
#include "planner/layout/enumerate.h"
#include "planner/search/candidates.h"

namespace moesaic::experiments {
namespace {

// Passes and origin: cells.h.
constexpr Bytes kKeptBytesPerScore = 5;
constexpr double kForwardBytesPerScore = 13, kBackwardBytesPerScore = 19;

/// Curves of one point each, for the shapes that the step has.
void assume_separate_attention(Plan& plan) {
  const TaskGraph graph = lower(plan);
  for (const Op op : {Op::attention, Op::attention_backward}) {
    const auto task =
        std::find_if(graph.tasks.begin(), graph.tasks.end(), [op](const Task& of) { return of.op == op; });
    OperatorCurve curve;
    curve.op = name_of(op);
    curve.dtype = task->dtype;
    for (const auto& [name, size] : dimensions_of(task->shape)) curve.fixed[name] = size;
    curve.rows = {task->fixed_rows};
    curve.seconds = {
        separate_attention_seconds(plan, task->fixed_rows / task->shape.sequence, op == Op::attention_backward)};
    curve.provenance = Provenance::assumed;
    plan.profile.operators.push_back(std::move(curve));
  }
}

Bytes peak_of(const Plan& plan, int64_t kept_bytes_per_score) {
  TaskGraph graph = lower(plan);
  for (const Task& task : graph.tasks) {
    if (task.op != Op::attention) continue;
    Tensor& kept = graph.tensors[task.writes[operands::Attention::saved]];
    const Bytes row_bytes = kept_bytes_per_score * task.shape.heads * task.shape.sequence;
    kept.row_elements += row_bytes / bytes_of(kept.dtype, 1);
  }
  return memory_peak(graph, RoutingBinding(plan), 0, 0).bytes;
}

}  // namespace

std::array<std::string, 5> in_words(const Unknowns& unknowns) {
  return {"sequence length " + std::to_string(unknowns.sequence_length), "top_k " + std::to_string(unknowns.top_k),
          "capacity factor " + number("%.2g", unknowns.capacity_factor),
          "cards of " + number("%.3g", unknowns.card_bytes_per_s / 1e9) + " GB/s",
          unknowns.keeps_scores ? "attention keeps scores" : "attention fused"};
}

Plan preset_plan(planner::Problem problem, const planner::Fixed& preset) {
  problem.fixed = preset;
  problem.fixed.set(&Layout::ep, problem.ranks > 0 ? problem.ranks : problem.cluster.num_devices());
  problem.fixed.set(&Layout::micro_batches, 1);
  const Layout layout = planner::enumerate_layouts(problem).at(0).layout;
  return planner::with_baseline_choices(problem, planner::baseline_plan(problem, layout));
}

Plan cell_plan(const planner::Problem& row, const planner::Fixed& preset, const Unknowns& unknowns) {
  planner::Problem problem = row;
  problem.workload.sequence_length = unknowns.sequence_length;
  problem.model.top_k = unknowns.top_k;
  problem.cluster.nic.bandwidth_bytes_per_s = unknowns.card_bytes_per_s;
  planner::Fixed fixed = preset;
  if (fixed.get(&Dispatch::kind) == DispatchKind::padded)
    fixed.set(&Dispatch::capacity_factor, unknowns.capacity_factor);
  Plan plan = preset_plan(std::move(problem), fixed);
  if (unknowns.keeps_scores) assume_separate_attention(plan);
  return plan;
}

Bytes kept_score_bytes(const Plan& plan, const Unknowns& unknowns) {
  return unknowns.keeps_scores ? peak_of(plan, kKeptBytesPerScore) - peak_of(plan, 0) : 0;
}

Seconds separate_attention_seconds(const Plan& plan, int64_t sequences, bool backward) {
  const Model& model = plan.model;
  const Device& device = plan.cluster.device;
  const auto length = static_cast<double>(plan.workload.sequence_length);
  const double scores = static_cast<double>(sequences * model.num_heads) * length * length;
  const double flops = scores * 4 * static_cast<double>(model.head_dim) * (backward ? 2 : 1);
  const double bytes = scores * (backward ? kBackwardBytesPerScore : kForwardBytesPerScore);
  return flops / (device.peak_bf16_flops_per_s * plan.profile.assumed_flops_efficiency) +
         bytes / (device.memory_bandwidth_bytes_per_s * plan.profile.assumed_bandwidth_efficiency);
}

}  // namespace moesaic::experiments
