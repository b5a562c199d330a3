// The executor against an independent torch implementation of docs/training_model.md: tests/golden/torch_twin.json
// holds what that printed.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/plan/plan.h"
#include "core/schema/documents.h"
#include "executor/runtime/training/trainer.h"
#include "tests/executor/runtime/training/twin_corpus.h"

namespace moesaic::executor {
namespace {

nlohmann::json torch_twin() {
  std::ifstream file(MOESAIC_SOURCE_DIR "/tests/golden/torch_twin.json");
  return nlohmann::json::parse(file);
}

Plan torch_plan(const nlohmann::json& config, int ranks, int ep) {
  Plan plan;
  Model& m = plan.model;
  m.family = "gpt_moe";
  m.num_layers = config["layers"];
  m.hidden = config["hidden"];
  m.num_heads = m.num_kv_heads = config["heads"];
  m.head_dim = m.hidden / m.num_heads;
  m.vocabulary = config["vocabulary"];
  m.num_experts = config["num_experts"];
  m.top_k = config["top_k"];
  m.normalize_top_k = m.top_k > 1;
  m.expert_intermediate = m.dense_intermediate = config["intermediate"];
  m.moe_layers.assign(static_cast<size_t>(m.num_layers), false);
  for (int layer : config["moe_layers"]) m.moe_layers[static_cast<size_t>(layer)] = true;
  plan.cluster.num_nodes = 1;
  plan.cluster.devices_per_node = ranks;
  plan.cluster.device.lanes_share_core = true;
  plan.workload.global_batch = config["global_batch"];
  plan.workload.sequence_length = config["sequence"];
  plan.workload.seed = config["seed"];
  plan.layout = {ranks, ep, config["microbatches"]};
  return plan;
}

class TorchTwin : public ::testing::TestWithParam<int> {};

// The twin's own f32 and f64 runs differ by 1.4e-7; leaving out any one rule of the model moves a loss by 1e-4 or more,
// so 1e-5 tells them apart.
TEST_P(TorchTwin, LossesOfTwentyStepsAgree) {
  const nlohmann::json golden = torch_twin();
  const nlohmann::json& expected = golden["cases"][static_cast<size_t>(GetParam())];
  TrainOptions options;
  options.steps = 20;
  const TrainResult result =
      train_on_threads(torch_plan(expected["config"], 1, 1), testing::twin_corpus(golden), options);
  for (size_t step = 0; step < 20; ++step) {
    EXPECT_NEAR(result.loss[step], expected["loss"][step].get<double>(), 1e-5 * result.loss[step]) << "step " << step;
    EXPECT_NEAR(result.cross_entropy[step], expected["cross_entropy"][step].get<double>(), 1e-5 * result.loss[step])
        << "step " << step;
  }
}

TEST_P(TorchTwin, RoutesTheFirstStepAlike) {
  const nlohmann::json golden = torch_twin();
  const nlohmann::json& expected = golden["cases"][static_cast<size_t>(GetParam())];
  TrainOptions options;
  options.steps = 1;
  const TrainResult result =
      train_on_threads(torch_plan(expected["config"], 1, 1), testing::twin_corpus(golden), options);
  const auto experts = static_cast<size_t>(result.routing.num_experts),
             layers = static_cast<size_t>(result.routing.num_moe_layers);
  for (size_t layer = 0; layer < layers; ++layer)
    for (size_t expert = 0; expert < experts; ++expert) {
      int64_t rows = 0;
      for (size_t microbatch = 0; microbatch < static_cast<size_t>(result.routing.num_iterations); ++microbatch)
        rows += result.routing.counts[(microbatch * layers + layer) * experts + expert];
      EXPECT_EQ(rows, expected["counts_step_0"][layer][expert].get<int64_t>())
          << "layer " << layer << ", expert " << expert;
    }
}

// The global norm is the root of the sum of squares of the parameters' norms, as torch has them: on one rank, on ranks
// that share experts or hold each their own, in stages, with divided states.
TEST_P(TorchTwin, GradientsHaveItsNorm) {
  const nlohmann::json golden = torch_twin();
  const nlohmann::json& expected = golden["cases"][static_cast<size_t>(GetParam())];
  double squares = 0;
  for (const auto& [parameter, norm] : expected["gradient_norms_step_0"].items())
    squares += norm.get<double>() * norm.get<double>();
  for (const auto& [ranks, ep, pp, zero] :
       std::vector<std::array<int, 4>>{{1, 1, 1, 0}, {2, 1, 1, 0}, {2, 2, 1, 0}, {2, 1, 2, 0}, {4, 2, 1, 3}}) {
    Plan plan = torch_plan(expected["config"], ranks, ep);
    plan.layout.pp = pp;
    plan.layout.zero = zero;
    plan.workload.optimizer.max_gradient_norm = 1e9;
    TrainOptions options;
    options.steps = 1;
    const TrainResult result = train_on_threads(plan, testing::twin_corpus(golden), options);
    EXPECT_NEAR(result.gradient_norm[0] / std::sqrt(squares), 1, 1e-5) << ranks << " ranks, ep " << ep << ", pp " << pp;
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, TorchTwin, ::testing::Values(0, 1, 2));

}  // namespace
}  // namespace moesaic::executor
