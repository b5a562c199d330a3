#include "core/timeline/utilization.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/schema/documents.h"
#include "tests/core/schema/shipped_documents.h"

namespace moesaic {
namespace {

Model shipped(const std::string& name) {
  const std::string path = testing::profiles("models/" + name + ".json");
  return read_model(read_json(path), path);
}

// gpt-moe-tiny: 294,912 dense (the tied table multiplies in the head), 6,400 of router and norms, 2 of 8 experts of
// 4,194,304 are 1,048,576: N = 1,349,888. L H Q T = 4 layers * 128 * 128 tokens = 65,536. 6 N + 12 L H Q T = 8,885,760.
TEST(Utilization, CountsTrainingAsPalmDoes) {
  Workload workload;
  workload.sequence_length = 128;
  EXPECT_EQ(model_flops_per_token(shipped("gpt-moe-tiny"), workload), 8885760);
}

// mixtral-8x7b: of 45,097,156,608 in experts a quarter is met, 11,274,289,152; of 1,605,636,096 dense the input table
// of 32,000 * 4,096 = 131,072,000 is looked up: N = 12,748,853,248.
TEST(Utilization, CountsTwoPerParameterAndTokenInInference) {
  Workload workload;
  workload.sequence_length = 2048;
  for (const WorkloadPhase phase : {WorkloadPhase::prefill, WorkloadPhase::decode}) {
    workload.phase = phase;
    EXPECT_EQ(model_flops_per_token(shipped("mixtral-8x7b"), workload), 2.0 * 12748853248);
  }
}

// gpt-oss-120b: 36 layers of 64 heads of width 64, every other one with a window of 128 of 1024 tokens:
// 18 * 4096 * (1024 + 128). deepseek-v3: 61 layers of 128 heads, keys of 128 + 64 and values of 128, so 160 on average.
TEST(Utilization, AttendsToWhatALayerSees) {
  Workload workload;
  const auto of_attention = [&](const std::string& name) {
    workload.sequence_length = 1;
    const double one = model_flops_per_token(shipped(name), workload);
    workload.sequence_length = 1024;
    return model_flops_per_token(shipped(name), workload) - one;
  };
  EXPECT_EQ(of_attention("gpt-oss-120b"), 12.0 * 4096 * (18 * (1024 + 128) - 36));
  EXPECT_EQ(of_attention("deepseek-v3"), 12.0 * 61 * 128 * 160 * 1023);
}

// 8,885,760 FLOPs a token, 1000 tokens a second. Two devices of 1e12 and 4e12 FLOP/s; at speeds 1 and 0.25 they are
// 1.25 devices.
TEST(Utilization, IsOfTheDevicesThatThePlanUses) {
  Plan plan;
  plan.model = shipped("gpt-moe-tiny");
  plan.workload.sequence_length = 128;
  plan.layout.ranks = 2;
  plan.cluster.devices_per_node = 8;
  plan.cluster.device.peak_f32_flops_per_s = 1e12;
  plan.cluster.device.peak_bf16_flops_per_s = 4e12;
  EXPECT_EQ(utilization_of(plan, 1000).tokens_per_second_per_device, 500);
  EXPECT_DOUBLE_EQ(utilization_of(plan, 1000).mfu, 8885760e3 / 2e12);
  plan.workload.compute_dtype = DType::bf16;
  EXPECT_DOUBLE_EQ(utilization_of(plan, 1000).mfu, 8885760e3 / 8e12);
  plan.cluster.device_speeds = {1, 0.25, 1, 1, 1, 1, 1, 1};
  EXPECT_DOUBLE_EQ(utilization_of(plan, 1000).mfu, 8885760e3 / 5e12);
}

}  // namespace
}  // namespace moesaic
