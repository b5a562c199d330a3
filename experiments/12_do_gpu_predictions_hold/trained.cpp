#include "experiments/12_do_gpu_predictions_hold/trained.h"

#include <algorithm>

#include "experiments/12_do_gpu_predictions_hold/measured_run.h"
#include "planner/prices/layer_classes.h"

namespace moesaic::experiments {
namespace {

/// The first layers of either kind, dense ones before those with experts.
std::vector<int> first_layers(const Model& model, int64_t layers, int64_t dense) {
  std::vector<int> chosen;
  int64_t missing_dense = dense, missing_moe = layers - dense;
  for (int layer = 0; layer < model.num_layers; ++layer) {
    int64_t& missing = model.moe_layers[static_cast<size_t>(layer)] ? missing_moe : missing_dense;
    if (missing-- > 0) chosen.push_back(layer);
  }
  if (static_cast<int64_t>(chosen.size()) != layers)
    refuse_run("is cut to " + std::to_string(layers) + " layers, " + std::to_string(dense) + " of them dense",
               "layers that model " + model.name + " has");
  return chosen;
}

Model model_of(const TrainedConfiguration& trained, const Laboratory& laboratory) {
  Model model = laboratory.model(trained.model);
  if (trained.layers) model = planner::with_layers(model, first_layers(model, *trained.layers, trained.dense_layers));
  model.weight_dtype = model.expert_dtype = DType::bf16;
  model.table_dtype.reset();
  return model;
}

Layout layout_of(const TrainedConfiguration& trained) {
  if (trained.unclear) refuse_run(*trained.unclear, "");
  Layout layout;
  layout.ranks = trained.ranks, layout.tp = trained.tp, layout.pp = trained.pp, layout.ep = trained.ep;
  layout.zero = trained.zero, layout.micro_batches = trained.micro_batches;
  return layout;
}

Workload workload_of(const TrainedConfiguration& trained, const Layout& layout) {
  Workload workload;
  workload.name = "trained";
  workload.phase = WorkloadPhase::training;
  workload.compute_dtype = DType::bf16;
  workload.global_batch = trained.sequences * trained.micro_batches * layout.stage_ranks();
  workload.sequence_length = trained.sequence_length;
  return workload;
}

}  // namespace

Plan training_plan(const TrainedConfiguration& trained, const Laboratory& laboratory) {
  const Layout layout = layout_of(trained);
  planner::Problem problem;
  problem.model = model_of(trained, laboratory);
  problem.workload = workload_of(trained, layout);
  if (trained.capacity_factor) {
    problem.fixed.set(&Dispatch::kind, DispatchKind::padded);
    problem.fixed.set(&Dispatch::capacity_factor, *trained.capacity_factor);
  }
  return plan_of_run(problem, trained.device, layout, laboratory);
}

Seconds training_flops_and_bytes(const Plan& plan) {
  const double ranks = plan.layout.ranks, microbatches = plan.layout.micro_batches;
  const auto tokens = static_cast<double>(plan.workload.global_batch * plan.workload.tokens_per_sequence());
  const double flops = 6 * static_cast<double>(active_parameters(plan.model)) * tokens / ranks;
  const double bytes =
      3 * microbatches * static_cast<double>(bytes_of(DType::bf16, count_parameters(plan.model).total())) / ranks;
  const Device& device = plan.cluster.device;
  return std::max(flops / device.peak_bf16_flops_per_s, bytes / device.memory_bandwidth_bytes_per_s);
}

}  // namespace moesaic::experiments
