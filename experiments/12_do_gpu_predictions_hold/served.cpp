#include "experiments/12_do_gpu_predictions_hold/served.h"

#include <algorithm>
#include <cmath>

#include "experiments/12_do_gpu_predictions_hold/measured_run.h"

namespace moesaic::experiments {
namespace {

DType dtype_named(const std::string& name) {
  const auto names = dtype_names();
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) refuse_run("has weights of type '" + name + "'", "a dtype of models");
  return static_cast<DType>(found - names.begin());
}

Model model_of(const ServedConfiguration& served, const Laboratory& laboratory) {
  Model model = laboratory.model(served.model);
  if (served.weights) {
    model.table_dtype = model.table_dtype.value_or(model.weight_dtype);
    model.weight_dtype = model.expert_dtype = dtype_named(*served.weights);
  }
  return model;
}

Workload workload_of(WorkloadPhase phase, int64_t sequences, int64_t sequence_length) {
  Workload workload;
  workload.name = "served";
  workload.phase = phase;
  workload.compute_dtype = DType::bf16;  // whatever the weights
  workload.global_batch = sequences;
  workload.sequence_length = sequence_length;
  return workload;
}

Layout layout_of(const ServedConfiguration& served) {
  if (served.unclear) refuse_run(*served.unclear, "");
  const int ranks = served.tp * served.dp;
  if (served.expert_tp * served.expert_ep != ranks)
    refuse_run("has its attention on " + std::to_string(ranks) + " ranks, its experts on " +
                   std::to_string(served.expert_tp * served.expert_ep),
               "as many");
  if (served.sequences % served.dp != 0)
    refuse_run("divides its sequences unevenly among the ranks of dp", "as many sequences on every rank");
  Layout layout;
  layout.ranks = layout.ep = ranks;
  layout.expert_slices = served.expert_tp;
  layout.tp = served.tp;
  if (served.tp > 1) layout.tp_tokens = GroupTokens::replicated;
  return layout;
}

double touched(const Model& model, int64_t tokens) {
  const auto experts = static_cast<double>(model.num_experts);
  return experts * (1 - std::pow(1 - static_cast<double>(model.top_k) / experts, static_cast<double>(tokens)));
}

Plan plan_of(const ServedConfiguration& served, const Workload& workload, const Laboratory& laboratory) {
  const Layout layout = layout_of(served);
  planner::Problem problem;
  problem.model = model_of(served, laboratory);
  problem.workload = workload;
  if (layout.ranks > 1) problem.fixed.set(&Dispatch::exchange, ExpertExchange::all_gather);
  return plan_of_run(problem, served.device, layout, laboratory);
}

}  // namespace

Plan decode_plan(const ServedConfiguration& served, const Laboratory& laboratory) {
  const int64_t in_sight = served.input + served.output / 2;
  return plan_of(served, workload_of(WorkloadPhase::decode, served.sequences, in_sight), laboratory);
}

Plan prefill_plan(const ServedConfiguration& served, const Laboratory& laboratory) {
  return plan_of(served, workload_of(WorkloadPhase::prefill, served.dp, served.input), laboratory);
}

double prefills_per_token(const ServedConfiguration& served) {
  return (static_cast<double>(served.sequences) / served.dp - 1) / static_cast<double>(served.output);
}

Seconds flops_and_bytes(const Plan& plan) {
  const Model& model = plan.model;
  const double ranks = plan.layout.ranks, sequences = static_cast<double>(plan.workload.global_batch);
  const double dense = static_cast<double>(count_parameters(model).dense) * bits_per_element(model.weight_dtype) / 8;
  const double experts = static_cast<double>(model.num_moe_layers() * model.expert_parameters()) *
                         touched(model, plan.workload.global_batch) * bits_per_element(model.expert_dtype) / 8;
  const double cache =
      sequences *
      static_cast<double>(plan.workload.sequence_length * model.num_attention_layers() * model.cached_elements()) *
      bits_per_element(plan.workload.kv_cache_dtype.value_or(plan.workload.compute_dtype)) / 8;
  const double bytes = dense / plan.layout.tp + (experts + cache) / ranks;
  const double flops = 2 * static_cast<double>(active_parameters(model)) * sequences / ranks;
  const Device& device = plan.cluster.device;
  return std::max(flops / device.peak_bf16_flops_per_s, bytes / device.memory_bandwidth_bytes_per_s);
}

}  // namespace moesaic::experiments
