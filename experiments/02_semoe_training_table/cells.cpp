#include "experiments/02_semoe_training_table/cells.h"

#include "core/graph/memory.h"
#include "core/operators/attention.h"
#include "core/technique/lower.h"
#include "planner/layout/enumerate.h"
#include "planner/search/candidates.h"

namespace moesaic::experiments {
namespace {

Cluster derated(Cluster cluster, const Constants& constants) {
  cluster.intra_node.bandwidth_bytes_per_s *= constants.link_efficiency;
  cluster.nic.bandwidth_bytes_per_s *= constants.link_efficiency;
  const double cards_of_a_rail = static_cast<double>(cluster.num_nodes * cluster.nics_per_node) /
                                 (cluster.rail_optimized ? cluster.devices_per_node : 1);
  if (constants.spine_oversubscription > 1)
    cluster.spine = {cluster.nic.bandwidth_bytes_per_s * cards_of_a_rail / constants.spine_oversubscription,
                     cluster.nic.latency_s};
  return cluster;
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

Plan preset_plan(planner::Problem problem, const planner::Fixed& preset) {
  problem.fixed = preset;
  problem.fixed.set(&Layout::ep, problem.ranks > 0 ? problem.ranks : problem.cluster.num_devices());
  problem.fixed.set(&Layout::micro_batches, 1);
  const Layout layout = planner::enumerate_layouts(problem).at(0).layout;
  return planner::with_baseline_choices(problem, planner::baseline_plan(problem, layout));
}

Plan cell_plan(const planner::Problem& row, const planner::Fixed& preset, const Constants& constants) {
  planner::Problem problem = row;
  problem.workload.sequence_length = constants.sequence_length;
  problem.cluster = derated(problem.cluster, constants);
  problem.profile.assumed_flops_efficiency = constants.gemm_efficiency;
  return preset_plan(std::move(problem), preset);
}

Bytes kept_score_bytes(const Plan& plan, const Constants& constants) {
  return peak_of(plan, constants.kept_bytes_per_score) - peak_of(plan, 0);
}

Bytes program_order_peak(const Plan& plan, const Constants& constants) {
  return peak_of(plan, constants.kept_bytes_per_score);
}

}  // namespace moesaic::experiments
