#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/graph/memory.h"
#include "core/schema/documents.h"
#include "core/steps/baseline_step.h"
#include "tests/core/graph/tiny_plan.h"
#include "tests/core/schema/shipped_documents.h"

namespace moesaic {
namespace {

using Labels = std::vector<std::string>;

/// tests/core/graph/tiny_plan.h (H 8, 2 heads) with latent vectors of 6 for queries and 4 for keys and values; keys of
/// 4 + 2, values of 3.
Plan tiny_latent(int ranks, int tp) {
  Plan plan = testing::tiny_plan(ranks, 1);
  plan.model.latent_attention = LatentAttention{6, 4, 4, 2, 3};
  plan.model.norm = Norm::rms_norm;
  plan.layout.tp = tp;
  check_plan(plan, "test");
  return plan;
}

/// 8 sequences of 4 tokens on one rank, in bf16.
Plan deepseek(WorkloadPhase phase) {
  const std::string path = testing::profiles("models/deepseek-v3.json");
  Plan plan = testing::tiny_plan(1, 1);
  plan.model = read_model(read_json(path), path);
  plan.workload.phase = phase;
  plan.workload.global_batch = 8;
  plan.workload.compute_dtype = DType::bf16;
  return plan;
}

TaskGraph linked_step(const Plan& plan) {
  TaskGraph graph = baseline_step(plan);
  link_dependencies(graph);
  return graph;
}

/// Of one layer and phase, without the prefix.
Labels labels_of(const TaskGraph& graph, const std::string& prefix) {
  Labels found;
  for (const std::string& label : testing::labels_of(graph))
    if (label.starts_with(prefix)) found.push_back(label.substr(prefix.size()));
  return found;
}

const Task& task(const TaskGraph& graph, const std::string& label) {
  return graph.tasks[testing::find_task(graph, label)];
}

std::map<std::string, int64_t> elements_of(const TaskGraph& graph) {
  std::map<std::string, int64_t> elements;
  for (const Parameter& parameter : graph.parameters) elements[parameter.name] = parameter.elements;
  return elements;
}

Labels first(const Labels& labels, size_t count) { return {labels.begin(), labels.begin() + static_cast<long>(count)}; }
Labels last(const Labels& labels, size_t count) { return {labels.end() - static_cast<long>(count), labels.end()}; }

TEST(LatentAttention, TrainsItsProjectionsAndTheirNorms) {
  const TaskGraph graph = baseline_step(tiny_latent(1, 1));
  EXPECT_EQ(first(labels_of(graph, "layer 0 / forward / "), 10),
            (Labels{"norm1", "q_a", "q_a_norm", "q_b", "kv_a", "kv_a_norm", "kv_b", "attention", "out",
                    "attention residual"}));
  EXPECT_EQ(last(labels_of(graph, "layer 0 / backward / "), 16),
            (Labels{"out dgrad", "out wgrad", "attention", "q_b dgrad", "q_b wgrad", "q_a_norm", "q_a dgrad",
                    "q_a wgrad", "kv_b dgrad", "kv_b wgrad", "kv_a_norm", "kv_a dgrad", "kv_a wgrad",
                    "queries and latent", "norm1", "norm1 residual"}));
  // q_b: 2 heads of 4 + 2 times 6; kv_a: 4 + 2 times 8; kv_b: 2 heads of 4 + 3 times 4; out: 8 times 2 heads of 3.
  const std::map<std::string, int64_t> elements = elements_of(graph);
  const std::map<std::string, int64_t> expected = {{"q_a", 48},      {"q_a_norm", 6}, {"q_b", 72}, {"kv_a", 48},
                                                   {"kv_a_norm", 4}, {"kv_b", 56},    {"out", 48}};
  for (const auto& [name, count] : expected) EXPECT_EQ(elements.at("layers.0." + name), count) << name;
}

// Without a latent vector of their own queries are a product of normed rows: 2 heads of 4 + 2 times 8.
TEST(LatentAttention, MayProjectQueriesAtOnce) {
  Plan plan = tiny_latent(1, 1);
  plan.model.latent_attention->q_lora_rank = 0;
  const TaskGraph graph = linked_step(plan);
  EXPECT_EQ(elements_of(graph).at("layers.0.q_b"), 96);
  EXPECT_EQ(elements_of(graph).count("layers.0.q_a"), 0u);
  EXPECT_EQ(testing::waits_for(graph, "layer 0 / forward / q_b"), (Labels{"layer 0 / forward / norm1"}));
}

// Attention's gradient leaves that of the rotary part, kv_b's adds the rest of the row, and the norm waits for both.
TEST(LatentAttention, BothGradientsOfTheLatentVectorMeet) {
  const TaskGraph graph = linked_step(tiny_latent(1, 1));
  const std::string backward = "layer 0 / backward / ";
  const Labels waits = testing::waits_for(graph, backward + "kv_b dgrad");
  EXPECT_EQ(waits, Labels{backward + "attention"});
  EXPECT_EQ(testing::waits_for(graph, backward + "kv_a_norm").back(), backward + "kv_b dgrad");
  EXPECT_EQ(task(graph, backward + "kv_b dgrad").shape.k, 4);
  EXPECT_EQ(graph.tensors[task(graph, backward + "kv_b dgrad").writes[0]].row_elements, 6);
  EXPECT_EQ(task(graph, backward + "kv_a_norm").shape.k, 4);
}

// Of each pair's ranks: 4 tokens, whose latent vectors of 6 elements are 4 * 6 * 4 = 96 bytes; the normed rows of 8
// would be 128. Projections to latent vectors are whole, those behind them and out are halves.
TEST(LatentAttention, TensorParallelRanksGatherLatentVectors) {
  const TaskGraph graph = linked_step(tiny_latent(4, 2));
  EXPECT_EQ(first(labels_of(graph, "layer 0 / forward / "), 13),
            (Labels{"norm1", "q_a", "q_a_norm", "gather queries", "q_b", "kv_a", "kv_a_norm", "gather latent", "kv_b",
                    "attention", "out", "sum out", "attention residual"}));
  const std::string forward = "layer 0 / forward / ", backward = "layer 0 / backward / ";
  EXPECT_EQ(task(graph, forward + "gather queries").bytes, 96);
  EXPECT_EQ(task(graph, forward + "gather latent").bytes, 96);
  EXPECT_EQ(task(graph, backward + "sum d_latent").bytes, 96);
  const std::map<std::string, int64_t> elements = elements_of(graph);
  const std::map<std::string, int64_t> expected = {{"q_a", 48}, {"q_b", 36}, {"kv_a", 48}, {"kv_b", 28}, {"out", 24}};
  for (const auto& [name, count] : expected) EXPECT_EQ(elements.at("layers.0." + name), count) << name;
  EXPECT_EQ(task(graph, forward + "q_a").fixed_rows, 4);
  EXPECT_EQ(task(graph, forward + "q_b").fixed_rows, 8);
  EXPECT_EQ(task(graph, forward + "attention").shape.heads, 1);
}

Bytes cache_bytes(const TaskGraph& graph) {
  Bytes bytes = 0;
  for (const Tensor& tensor : graph.tensors)
    if (tensor.name.ends_with(".kv_cache")) bytes += bytes_of(tensor.dtype, tensor.fixed_rows * tensor.row_elements);
  return bytes;
}

// 512 + 64 elements per token and layer: 61 * 576 * 2 = 70,272 bytes in bf16, half of that in fp8; 8 sequences of 4.
TEST(LatentAttention, CachesLatentVectors) {
  for (const WorkloadPhase phase : {WorkloadPhase::prefill, WorkloadPhase::decode}) {
    Plan plan = deepseek(phase);
    EXPECT_EQ(cache_bytes(baseline_step(plan)), 32 * 70272);
    plan.workload.kv_cache_dtype = DType::fp8;
    EXPECT_EQ(cache_bytes(baseline_step(plan)), 32 * 35136);
  }
}

// All heads look at the same latent vectors, so every rank of a pair keeps those of both: 4 sequences of 4 tokens, 6
// elements of f32.
TEST(LatentAttention, RanksOfATensorParallelGroupCacheTheSame) {
  Plan plan = tiny_latent(2, 2);
  plan.workload.phase = WorkloadPhase::decode;
  EXPECT_EQ(cache_bytes(baseline_step(plan)), 16 * 6 * 4);
}

TEST(LatentAttention, DecodeAbsorbsTheExpansion) {
  Plan plan = deepseek(WorkloadPhase::decode);
  plan.workload.kv_cache_dtype = DType::fp8;
  const TaskGraph graph = baseline_step(plan);
  const std::string layer = "layer 0 / forward / ";
  EXPECT_EQ(first(labels_of(graph, layer), 10), (Labels{"norm1", "q_a", "q_a_norm", "q_b", "kv_a", "kv_a_norm",
                                                        "absorb keys", "attention", "expand values", "out"}));
  EXPECT_EQ(task(graph, layer + "absorb keys").shape, (OpShape{.n = 512, .k = 128, .heads = 128}));
  EXPECT_EQ(task(graph, layer + "attention").shape,
            (OpShape{.sequence = 4, .heads = 128, .head_dim = 576, .value_dim = 512}));
  EXPECT_EQ(stored_as(task(graph, layer + "attention")).weights, DType::fp8);
  EXPECT_EQ(task(graph, layer + "expand values").shape, (OpShape{.n = 128, .k = 512, .heads = 128}));
  EXPECT_EQ(task(baseline_step(deepseek(WorkloadPhase::prefill)), layer + "attention").shape,
            (OpShape{.sequence = 4, .heads = 128, .head_dim = 192, .value_dim = 128, .causal_square = true}));
}

// Every matrix is multiplied with once, shared experts included: 2 flops per weight and token, of the experts 8 in 256;
// the head sees one token per sequence. Embedding and vectors are no products: 61 * (1536 + 512 + 2 * 7168) + 7168 of
// norms and 58 * 256 of the router's bias. Softmax takes 5 per token and expert.
TEST(LatentAttention, InferenceMultipliesWithEveryWeightOnce) {
  for (const auto& [phase, tokens] : {std::pair{WorkloadPhase::decode, 8.0}, {WorkloadPhase::prefill, 32.0}}) {
    const Plan plan = deepseek(phase);
    const TaskGraph graph = baseline_step(plan);
    const RoutingBinding binding(plan);
    double flops = 0;
    for (const Task& task : graph.tasks)
      if (task.op == Op::linear || task.op == Op::head_linear || task.op == Op::router || is_experts(task.op))
        flops += flops_of(task.op, task.shape, binding.rows(task, 0, 0));
    const ParameterCount count = count_parameters(plan.model);
    const double table = 129280.0 * 7168, vectors = 61 * (1536 + 512 + 2 * 7168) + 7168 + 58 * 256;
    const double layers =
        static_cast<double>(count.dense) - vectors - 2 * table + static_cast<double>(count.sparse) * 8 / 256;
    EXPECT_EQ(flops, 2 * tokens * layers + 2 * 8 * table + 58 * 5 * tokens * 256);
  }
}

}  // namespace
}  // namespace moesaic
