// Blocks of today's models against the models of `transformers`: tests/golden/transformers_twin.json holds what these
// printed for Mixtral, Qwen3-MoE, OLMoE, and a Mixtral with a shared expert, each in its own config.json.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "core/schema/documents.h"
#include "tests/executor/runtime/training/small_training.h"
#include "tests/executor/runtime/training/twin_corpus.h"

namespace moesaic::executor {
namespace {

nlohmann::json transformers_twin() {
  std::ifstream file(MOESAIC_SOURCE_DIR "/tests/golden/transformers_twin.json");
  return nlohmann::json::parse(file);
}

Plan transformers_plan(const nlohmann::json& twin_case) {
  Plan plan = testing::unchecked_plan_of(1, 1, 1);
  plan.model = read_model(twin_case["model"], "config.json");
  plan.model.shared_intermediate = twin_case["shared_intermediate"];
  plan.workload.global_batch = twin_case["global_batch"];
  plan.workload.sequence_length = twin_case["sequence"];
  plan.workload.seed = twin_case["seed"];
  plan.layout.micro_batches = twin_case["microbatches"];
  return plan;
}

class TransformersTwin : public ::testing::TestWithParam<int> {};

// Their own f32 and f64 runs differ by 1.2e-7 of the loss at most.
TEST_P(TransformersTwin, LossesOfTwentyStepsAgree) {
  const nlohmann::json golden = transformers_twin();
  const nlohmann::json& expected = golden["cases"][static_cast<size_t>(GetParam())];
  SCOPED_TRACE(expected["name"].get<std::string>());
  TrainOptions options;
  options.steps = 20;
  const TrainResult result = train_on_threads(transformers_plan(expected), testing::twin_corpus(golden), options);
  for (size_t step = 0; step < 20; ++step) {
    EXPECT_NEAR(result.loss[step], expected["loss"][step].get<double>(), 1e-5 * result.loss[step]) << "step " << step;
    EXPECT_NEAR(result.cross_entropy[step], expected["cross_entropy"][step].get<double>(), 1e-5 * result.loss[step])
        << "step " << step;
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, TransformersTwin, ::testing::Values(0, 1, 2, 3));

}  // namespace
}  // namespace moesaic::executor
