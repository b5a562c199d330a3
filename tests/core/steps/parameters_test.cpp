#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/graph/memory.h"
#include "core/plan/plan.h"
#include "core/schema/documents.h"
#include "core/steps/baseline_step.h"
#include "tests/core/graph/tiny_plan.h"
#include "tests/core/schema/shipped_documents.h"

namespace moesaic {
namespace {

Model model_named(const std::string& name) {
  const std::string path = testing::profiles("models/" + name + ".json");
  return read_model(read_json(path), path);
}

Plan plan_for(const std::string& model, WorkloadPhase phase, int ranks, int ep) {
  Plan plan = testing::tiny_plan(ranks, ep);
  plan.model = model_named(model);
  plan.workload.phase = phase;
  plan.workload.global_batch = ranks;
  return plan;
}

/// Weight elements of the whole model: dense parameters once, expert parameters of every rank of one group.
int64_t weight_elements(const TaskGraph& graph, int ep) {
  int64_t elements = 0;
  for (const Parameter& parameter : graph.parameters)
    elements += parameter.elements * (parameter.moe_layer < 0 ? 1 : ep);
  return elements;
}

TEST(Parameters, GptMoeIsComplete) {
  for (const int ep : {1, 2, 4}) {
    const ParameterCount count = count_parameters(model_named("gpt-moe-tiny"));
    const TaskGraph graph = baseline_step(plan_for("gpt-moe-tiny", WorkloadPhase::training, 4, ep));
    EXPECT_EQ(weight_elements(graph, ep), count.total() + count.uncounted);
  }
}

// What the graph leaves out, in elements:
//   deepseek: bias of the router 58 * 256                                                               = 14,848
//   gpt-oss: attention biases and sinks 36 * (5120 + 2880 + 64), expert biases 36 * 128 * (5760 + 2880),
//            router biases 36 * 128                                                                     = 40,108,032
//   qwen1.5: biases of q, k, v 24 * 6144, gates of shared experts 24 * 2048                              = 196,608
//   phi-3.5: biases of attention 32 * (6144 + 4096) and of the head 32064                                = 359,744
//   minimax: biases of the router 62 * 256                                                               = 15,872
//   glm: biases of q, k, v 46 * 14336 and of the router 45 * 128                                         = 665,216
//   arctic: norms of the dense residual 35 * 7168                                                        = 250,880
TEST(Parameters, PublishedModelsLackOnlySmallVectors) {
  struct Lacking {
    const char* name;
    int64_t elements;
    int ep = 8;
  };
  const std::vector<Lacking> missing = {
      {"mixtral-8x7b", 0},     {"olmoe-1b-7b", 0},         {"qwen3-30b-a3b", 0},
      {"deepseek-v3", 14848},  {"gpt-oss-120b", 40108032}, {"qwen1.5-moe-a2.7b", 196608, 4},
      {"phi-3.5-moe", 359744}, {"minimax-m2.5", 15872},    {"glm-4.5-air", 665216},
      {"arctic", 250880},      {"llama-4-scout", 0},       {"llama-4-maverick", 0},
      {"dbrx-base", 0},        {"hunyuan-a13b", 0},        {"granite-3.0-3b-a800m", 0}};
  for (const auto& [name, elements, ep] : missing)
    for (const WorkloadPhase phase : {WorkloadPhase::prefill, WorkloadPhase::decode}) {
      SCOPED_TRACE(name);
      const int64_t total = count_parameters(model_named(name)).total();
      const int64_t built = weight_elements(baseline_step(plan_for(name, phase, 8, ep)), ep);
      EXPECT_EQ(total - built, elements);
      EXPECT_LT(static_cast<double>(total - built), 0.005 * static_cast<double>(total));
    }
}

/// Bytes of parameters, gradients and moments; tokens, targets and losses are resident too.
Bytes state_bytes(const TaskGraph& graph) {
  Bytes inputs = 0;
  for (const Tensor& tensor : graph.tensors)
    if (tensor.kind == TensorKind::input) inputs += bytes_of(tensor.dtype, tensor.fixed_rows * tensor.row_elements);
  return resident_bytes(graph) - inputs;
}

// f32: 4 + 4 + 2 * 4. bf16: 2 + 2 + 3 * 4, with a master copy. The tiny model has 1488 parameters.
TEST(Parameters, TrainingTakes16BytesEach) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    Plan plan = testing::tiny_plan(1, 1);
    plan.workload.compute_dtype = dtype;
    EXPECT_EQ(state_bytes(baseline_step(plan)), 16 * 1488);
  }
}

// Inference keeps weights as they are stored. gpt-oss: experts in 4.25 bits, the rest in bf16.
TEST(Parameters, InferenceKeepsTheStoredDtypes) {
  const Plan plan = plan_for("gpt-oss-120b", WorkloadPhase::decode, 1, 1);
  Bytes expected = 0;
  for (const Parameter& p : baseline_step(plan).parameters)
    expected += bytes_of(p.moe_layer < 0 ? plan.model.weight_dtype : plan.model.expert_dtype, p.elements);
  EXPECT_EQ(state_bytes(baseline_step(plan)), expected);
  EXPECT_NE(plan.model.weight_dtype, plan.model.expert_dtype);
}

/// What the weights of a task are stored in where that is narrower than bf16; "bf16": as wide.
std::string stored(const Plan& plan, const std::string& label) {
  const TaskGraph graph = baseline_step(plan);
  return name_of(stored_as(graph.tasks[testing::find_task(graph, label)]).weights);
}

// DeepSeek-V3 keeps all matrices in fp8, gpt-oss its experts in 4.25 bits. Training has weights of its own.
TEST(Parameters, TasksReadWeightsInTheStoredDtypes) {
  Plan plan = plan_for("deepseek-v3", WorkloadPhase::decode, 1, 1);
  plan.workload.compute_dtype = DType::bf16;
  EXPECT_EQ(stored(plan, "layer 3 / forward / out"), "fp8");
  EXPECT_EQ(stored(plan, "layer 3 / forward / experts"), "fp8");
  plan.model = model_named("gpt-oss-120b");
  EXPECT_EQ(stored(plan, "layer 3 / forward / out"), "bf16");
  EXPECT_EQ(stored(plan, "layer 3 / forward / experts"), "fp4");
  plan.workload.phase = WorkloadPhase::training;
  EXPECT_EQ(stored(plan, "layer 3 / forward / experts"), "bf16");
}

// deepseek-v3 has tables of 129280 * 7168 in bf16 and all else in a byte per element.
TEST(Parameters, InferenceKeepsTheTypeOfTables) {
  const TaskGraph graph = baseline_step(plan_for("deepseek-v3", WorkloadPhase::decode, 8, 8));
  Bytes expected = 0;
  for (const Parameter& p : graph.parameters) expected += p.elements;
  EXPECT_EQ(state_bytes(graph), expected + 2 * 129280LL * 7168);
}

/// By name; 0 where there is no such tensor.
Bytes tensor_bytes(const TaskGraph& graph, const std::string& name) {
  for (const Tensor& tensor : graph.tensors)
    if (tensor.name == name) return bytes_of(tensor.dtype, tensor.fixed_rows * tensor.row_elements);
  return 0;
}

// Keys and values of 2 heads of 4, f32, 4 sequences of 4 tokens: 2 * 2 * 4 * 16 elements.
TEST(Parameters, InferenceHoldsTheKeyValueCache) {
  Plan plan = testing::tiny_plan(1, 1);
  plan.workload.phase = WorkloadPhase::decode;
  EXPECT_EQ(tensor_bytes(baseline_step(plan), "layers.0.kv_cache"), 4 * 256);
  plan.workload.kv_cache_dtype = DType::fp8;
  const TaskGraph graph = baseline_step(plan);
  EXPECT_EQ(tensor_bytes(graph, "layers.0.kv_cache"), 256);
  EXPECT_EQ(stored_as(graph.tasks[testing::find_task(graph, "layer 0 / forward / attention")]).weights, DType::fp8);
}

// gpt-oss windows its even layers: they keep 128 of 2048 tokens, keys and values of 8 heads of 64 in bf16, so
// 128 * 2 * 8 * 64 * 2 = 262,144 bytes a sequence; the odd ones keep 2048 * 2048 = 4,194,304. A sequence of 100 tokens
// is kept whole: 204,800 in both.
TEST(Parameters, WindowedLayersCacheTheKeysInSight) {
  Plan plan = plan_for("gpt-oss-120b", WorkloadPhase::decode, 1, 1);
  plan.workload.compute_dtype = DType::bf16;
  for (const WorkloadPhase phase : {WorkloadPhase::decode, WorkloadPhase::prefill}) {
    plan.workload.phase = phase;
    plan.workload.sequence_length = 2048;
    EXPECT_EQ(tensor_bytes(baseline_step(plan), "layers.0.kv_cache"), 262144);
    EXPECT_EQ(tensor_bytes(baseline_step(plan), "layers.1.kv_cache"), 4194304);
    plan.workload.sequence_length = 100;
    EXPECT_EQ(tensor_bytes(baseline_step(plan), "layers.0.kv_cache"), 204800);
    EXPECT_EQ(tensor_bytes(baseline_step(plan), "layers.1.kv_cache"), 204800);
  }
}

}  // namespace
}  // namespace moesaic
