#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/schema/documents.h"
#include "core/steps/baseline_step.h"
#include "tests/core/graph/tiny_plan.h"
#include "tests/core/schema/shipped_documents.h"

namespace moesaic {
namespace {

using Labels = std::vector<std::string>;

/// tests/core/graph/tiny_plan.h with norms of queries and keys: 2 heads of 4, 2 key-value heads.
Plan with_head_norms(int ranks, int tp, bool whole) {
  Plan plan = testing::tiny_plan(ranks, 1);
  plan.model.qk_norm = true;
  plan.model.qk_norm_whole = whole;
  plan.model.norm = Norm::rms_norm;
  plan.layout.tp = tp;
  check_plan(plan, "test");
  return plan;
}

int64_t elements_of(const TaskGraph& graph, const std::string& name) {
  for (const Parameter& parameter : graph.parameters)
    if (parameter.name == name) return parameter.elements;
  return 0;
}

Labels labels_with(const TaskGraph& graph, const std::string& part) {
  Labels found;
  for (const std::string& label : testing::labels_of(graph))
    if (label.find(part) != std::string::npos) found.push_back(label);
  return found;
}

// A head's gain is 4 wide, once for queries and once for keys; together the 2 + 2 heads are 16 wide.
TEST(HeadNorm, StandsBetweenProjectionAndAttention) {
  for (const bool whole : {false, true}) {
    const TaskGraph graph = baseline_step(with_head_norms(1, 1, whole));
    EXPECT_EQ(elements_of(graph, "layers.0.qk_norm"), whole ? 16 : 8);
    const Labels labels = testing::labels_of(graph);
    const std::string layer = "layer 0 / forward / ";
    EXPECT_EQ(Labels(labels.begin() + 2, labels.begin() + 5),
              (Labels{layer + "qkv", layer + "qk_norm", layer + "attention"}));
    EXPECT_EQ(labels_with(graph, "qk_norm"), (Labels{"layer 0 / forward / qk_norm", "layer 0 / backward / qk_norm",
                                                     "update / adamw layers.0.qk_norm"}));
  }
}

// Of one head: each rank norms its own. Of all heads: [16 tokens of the pair, 2] sums of f32 from each rank.
TEST(HeadNorm, GathersSumsWhereItsHeadsStandOnSeveralRanks) {
  EXPECT_EQ(labels_with(baseline_step(with_head_norms(2, 2, false)), "sums"), Labels{});
  const TaskGraph graph = baseline_step(with_head_norms(2, 2, true));
  const std::string forward = "layer 0 / forward / ", backward = "layer 0 / backward / ";
  EXPECT_EQ(labels_with(graph, "sums"), (Labels{forward + "qk_norm sums", forward + "gather qk_norm.sums",
                                                backward + "d_qk_norm sums", backward + "gather d_qk_norm.sums"}));
  EXPECT_EQ(graph.tasks[testing::find_task(graph, forward + "gather qk_norm.sums")].bytes, 16 * 2 * 4);
  EXPECT_EQ(elements_of(graph, "layers.0.qk_norm"), 8);  // of this rank's head and key-value head
}

// up and down of width 3, gated: 2 * 3 * 8 and 8 * 3 elements.
TEST(SharedExperts, TrainBesideTheRoutedOnes) {
  Plan plan = testing::tiny_plan(1, 1);
  plan.model.shared_intermediate = 3;
  plan.model.activation = Activation::swiglu;
  check_plan(plan, "test");
  const TaskGraph graph = baseline_step(plan);
  EXPECT_EQ(elements_of(graph, "layers.0.shared_up"), 48);
  EXPECT_EQ(elements_of(graph, "layers.0.shared_down"), 24);
  const std::string forward = "layer 0 / forward / ", backward = "layer 0 / backward / ";
  EXPECT_EQ(labels_with(graph, "shared"),
            (Labels{forward + "shared up", forward + "shared activation", forward + "shared down",
                    forward + "shared residual", backward + "shared down dgrad", backward + "shared down wgrad",
                    backward + "shared activation", backward + "shared up dgrad", backward + "shared up wgrad",
                    backward + "shared gradient", "update / adamw layers.0.shared_up",
                    "update / adamw layers.0.shared_down"}));
}

// bf16 on a GPU, f32 on CPU cores whatever the products are.
TEST(Router, HasThePrecisionOfItsRows) {
  Plan plan = testing::tiny_plan(1, 1);
  plan.workload.compute_dtype = DType::bf16;
  for (const auto& [is_cpu, dtype] : {std::pair{false, DType::bf16}, {true, DType::f32}}) {
    plan.cluster.device.lanes_share_core = is_cpu;
    const TaskGraph graph = baseline_step(plan);
    EXPECT_EQ(graph.tasks[testing::find_task(graph, "layer 0 / forward / router")].dtype, dtype);
    EXPECT_EQ(graph.tasks[testing::find_task(graph, "layer 0 / backward / router")].dtype, dtype);
  }
}

// The tiny models that train on two cores are those of their families.
TEST(TinyModels, AreOfTheirFamilies) {
  for (const auto& [name, whole, norms] :
       {std::tuple{"mixtral-tiny", false, false}, {"qwen3-moe-tiny", false, true}, {"olmoe-tiny", true, true}}) {
    const std::string path = testing::profiles("models/" + std::string(name) + ".json");
    const Model model = read_model(read_json(path), path);
    EXPECT_EQ(model.qk_norm, norms) << name;
    EXPECT_EQ(model.qk_norm_whole, whole) << name;
    EXPECT_EQ(model.vocabulary, 256) << name;
    Plan plan = testing::tiny_plan(1, 1);
    plan.model = model;
    int64_t elements = 0;
    for (const Parameter& parameter : baseline_step(plan).parameters) elements += parameter.elements;
    EXPECT_EQ(elements, count_parameters(model).total()) << name;
  }
}

}  // namespace
}  // namespace moesaic
