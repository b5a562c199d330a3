#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/schema/error.h"
#include "experiments/12_do_gpu_predictions_hold/study.h"
#include "tests/experiments/12_do_gpu_predictions_hold/world.h"

namespace moesaic::experiments {
namespace {

using testing::PredictionWorld;

TrainedConfiguration on_four_ranks() {
  TrainedConfiguration trained;
  trained.framework = "megatron", trained.model = "small", trained.device = "gpu";
  trained.ranks = 4, trained.pp = 2, trained.ep = 2, trained.zero = 1;
  trained.micro_batches = 3, trained.sequences = 5, trained.sequence_length = 16;
  trained.step_s = 20;
  return trained;
}

std::string trained_refusal(const TrainedConfiguration& trained) {
  PredictionWorld world;
  try {
    training_plan(trained, world.laboratory);
  } catch (const InputError& error) {
    return error.what();
  }
  return "none";
}

// 3 microbatches of 5 sequences on each of the 2 ranks of a stage: 30.
TEST(TrainingPlan, HasTheLayoutAndBatchOfTheRun) {
  PredictionWorld world;
  TrainedConfiguration trained = on_four_ranks();
  trained.capacity_factor = 1.5;
  const Plan plan = training_plan(trained, world.laboratory);
  EXPECT_EQ(world.asked_cluster, "gpu-1x8");
  EXPECT_EQ(plan.workload.phase, WorkloadPhase::training);
  EXPECT_EQ(plan.workload.global_batch, 30);
  EXPECT_EQ(plan.workload.sequence_length, 16);
  Layout layout;
  layout.ranks = 4, layout.pp = 2, layout.ep = 2, layout.zero = 1, layout.micro_batches = 3;
  EXPECT_EQ(plan.layout, layout);
  EXPECT_EQ(plan.dispatch.kind, DispatchKind::padded);
  EXPECT_EQ(plan.dispatch.capacity_factor, 1.5);
}

TEST(TrainingPlan, CutsTheModelAndTrainsItInBFloat16) {
  PredictionWorld world;
  world.laboratory.model = [](const std::string&) {
    Model model = small_model();
    model.weight_dtype = model.expert_dtype = DType::fp8;
    return model;
  };
  TrainedConfiguration trained = on_four_ranks();
  trained.layers = 2, trained.dense_layers = 1;
  const Plan plan = training_plan(trained, world.laboratory);
  EXPECT_EQ(plan.model.num_layers, 2);
  EXPECT_EQ(plan.model.moe_layers, (std::vector<bool>{false, true}));
  EXPECT_EQ(plan.model.expert_dtype, DType::bf16);
  EXPECT_EQ(plan.model.weight_dtype, DType::bf16);
}

TEST(TrainingPlan, RefusesWhatNoPlanCanSay) {
  TrainedConfiguration trained = on_four_ranks();
  trained.layers = 3, trained.dense_layers = 2;
  EXPECT_EQ(trained_refusal(trained),
            "measured run: is cut to 3 layers, 2 of them dense; expected layers that model small has");
  trained = on_four_ranks();
  trained.unclear = "interleaves stages, which no plan says";
  EXPECT_EQ(trained_refusal(trained), "measured run: interleaves stages, which no plan says");
}

// 480 tokens of a step and 4 ranks at 1 GFLOP/s: less than the bytes, at 1 B/s. Every microbatch reads the weights
// three times, a rank a quarter of them.
TEST(TrainingNullModel, ReadsItsWeightsThreeTimesAMicrobatch) {
  PredictionWorld world;
  const Plan plan = training_plan(on_four_ranks(), world.laboratory);
  const auto weights = static_cast<double>(count_parameters(small_model()).total());
  EXPECT_DOUBLE_EQ(training_flops_and_bytes(plan), 3 * 3 * 2 * weights / 4);
}

TEST(TrainingNullModel, ComputesAllProductsAtThePeak) {
  PredictionWorld world;
  Plan plan = training_plan(on_four_ranks(), world.laboratory);
  plan.cluster.device.memory_bandwidth_bytes_per_s = 1e18;
  const auto active = static_cast<double>(active_parameters(small_model()));
  EXPECT_DOUBLE_EQ(training_flops_and_bytes(plan), 6 * active * 480 / 4 / 1e9);
}

std::string axes_refusal(const char* key, double value) {
  Json experiment = {{"kind", "moesaic.experiment/1"}, {"study", "gpu_predictions"}, {"name", "12"},
                     {"question", "Do they?"},         {"takes_seconds", 1},         {"served", Json::array()}};
  PredictionResult result;
  result.trained = {{{}, on_four_ranks()}};
  experiment["trained"] = write_document(result)["trained"];
  experiment["exchanged"] = Json::array();
  experiment["trained"][0] = experiment["trained"][0]["trained"];
  experiment["trained"][0][key] = value;
  try {
    read_prediction_axes(experiment, "e.json");
  } catch (const InputError& error) {
    return error.what();
  }
  return "none";
}

TEST(PredictionStudy, RefusesNumbersThatNoRunHas) {
  EXPECT_EQ(axes_refusal("zero", 0), "none");
  EXPECT_EQ(axes_refusal("zero", -1), "e.json /trained/0/zero: is -1; expected a number of at least 0");
  EXPECT_EQ(axes_refusal("pp", 0), "e.json /trained/0/pp: is 0; expected a number above 0");
  EXPECT_EQ(axes_refusal("step_s", -0.5), "e.json /trained/0/step_s: is -0.5; expected a number above 0");
  EXPECT_EQ(axes_refusal("capacity_factor", 0), "e.json /trained/0/capacity_factor: is 0; expected a number above 0");
}

// 30 sequences: 30 s, half more than measured; 1,000 bytes of 800.
TEST(PredictionStudy, ComparesStepsAndMemoryOfTraining) {
  PredictionWorld world;
  PredictionAxes axes{"12", {}, {on_four_ranks(), on_four_ranks()}, {}};
  axes.trained[0].peak_bytes = 800;
  axes.trained[1].unclear = "is told twice";
  const PredictionResult result = run_prediction_study(axes, world.laboratory);
  ASSERT_EQ(result.trained.size(), 1U);
  EXPECT_EQ(result.trained[0].error(), 0.5);
  EXPECT_EQ(result.trained[0].predicted_peak_bytes, 1000);
  EXPECT_EQ(result.left_out.size(), 1U);
  EXPECT_EQ(result.trained_summary.rows, 1);
  EXPECT_EQ(result.trained_summary.worst, 0.5);
  EXPECT_EQ(result.trained_summary.memory_median, 0.25);
  EXPECT_NE(prediction_tables(result).find("| +50.0 |"), std::string::npos);
  EXPECT_NE(prediction_tables(result).find("| +25.0 |"), std::string::npos);
  EXPECT_EQ(write_document(read_document<PredictionResult>(write_document(result), "again")), write_document(result));
}

}  // namespace
}  // namespace moesaic::experiments
