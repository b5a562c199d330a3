#include "core/plan/partial_plan.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace moesaic {
namespace {

PartialPlan read_partial(const std::string& text) {
  const Json json = Json::parse(text);
  ObjectReader reader(json, "preset.json", "/rows/0");
  PartialPlan plan = read_partial_plan(reader);
  reader.finish();
  return plan;
}

std::string partial_refusal(const std::string& text) {
  try {
    read_partial(text);
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(PartialPlan, HoldsWhatIsGivenAndLeavesTheRestOpen) {
  const PartialPlan plan = read_partial(R"({"layout": {"ep": 8}, "gradient_bucket_bytes": "1 MB"})");
  EXPECT_EQ(plan.get(&Layout::ep), 8);
  EXPECT_EQ(plan.get(&Buckets::gradient_bucket_bytes), 1'000'000);
  EXPECT_EQ(plan.get(&Layout::micro_batches), std::nullopt);
  EXPECT_FALSE(plan.has(&EmbeddingTable::embedding));
}

// Each field that presets may fix, at its default: given, though nothing differs. Not where other defaults make it
// idle.
TEST(PartialPlan, EveryFixableFieldCanBeGiven) {
  for (const DecisionField<PlanChoices>& field : choice_fields()) {
    SCOPED_TRACE(field.pointer());
    Json json = Json::object();
    value_in(json, field) = field.write(PlanChoices{});
    const std::string refused = partial_refusal(json.dump());
    if (!field.fixable)
      EXPECT_NE(refused.find("unknown key \"" + field.key + "\""), std::string::npos) << refused;
    else if (field.condition != nullptr && !field.condition->holds(PlanChoices{}))
      EXPECT_NE(refused.find(field.condition->otherwise), std::string::npos) << refused;
    else
      EXPECT_EQ(refused, "accepted");
  }
}

TEST(PartialPlan, AppliesTrainingFieldsInTrainingAlone) {
  PartialPlan plan;
  plan.set(&Layout::zero, 2);
  plan.set(&Layout::tp, 4);
  PlanChoices expected, training, inference;
  training.layout.tp = 8, training.dispatch.chunks = 2;  // the one is overwritten, the other stays
  plan.apply(training, WorkloadPhase::training);
  expected.layout.tp = 4, expected.layout.zero = 2, expected.dispatch.chunks = 2;
  EXPECT_EQ(training, expected);
  plan.apply(inference, WorkloadPhase::prefill);
  expected.layout.zero = 0, expected.dispatch.chunks = 1;
  EXPECT_EQ(inference, expected);
}

TEST(PartialPlan, RefusesWhatNoPlanHasTogether) {
  EXPECT_EQ(partial_refusal(R"({"fused_parameter_bytes": 0})"),
            "preset.json /rows/0/fused_parameter_bytes: groups the all-gathers of ZeRO-3; leave it out, or set "
            "layout.zero to 3");
  EXPECT_EQ(partial_refusal(R"({"layout": {"zero": 3}, "fused_parameter_bytes": 1})"), "accepted");
  EXPECT_EQ(partial_refusal(R"({"expert_storage": {"home": "host"}, "prefetch": {"experts": 1}})"), "accepted");
  EXPECT_EQ(partial_refusal(R"({"dispatch": {"kind": "padded"}})"),
            "preset.json /rows/0/dispatch/capacity_factor: padded dispatch has no capacity; give a capacity_factor "
            "above 0, for example 1.25");
}

}  // namespace
}  // namespace moesaic
