#include "planner/prices/probes.h"

#include <gtest/gtest.h>

#include "tests/planner/random_plans.h"

namespace moesaic::planner {
namespace {

Plan training_plan(int ep, int zero) {
  std::mt19937 random(1);
  testing::RandomPlans drawn;
  Plan plan = drawn.documents(random);
  while (plan.model.family != "mixtral") plan = drawn.documents(random);
  plan.workload.phase = WorkloadPhase::training;
  plan.workload.global_batch = 64, plan.workload.sequence_length = 512;
  plan.layout.ranks = 16, plan.layout.ep = ep, plan.layout.zero = zero;
  return plan;
}

SizeForm elements_of(const Probes& probes, const std::string& tensor) {
  return probes.form([&](const TaskGraph& graph) {
    int64_t elements = 0;
    for (const Tensor& of : graph.tensors)
      if (of.name == tensor) elements = of.fixed_rows * of.row_elements;
    return elements;
  });
}

// Mixtral: hidden 4096, experts of 14336, 8 of them: an up projection has 2 x 4096 x 14336 elements. A rank holds 8 /
// ep of them, whatever the tokens and the number of ranks.
TEST(Probes, TellWhatEachRankHoldsOfTheExperts) {
  const Plan plan = training_plan(4, 0);
  const Probes probes(plan, with_layers(plan.model, {0, 1}));
  const SizeForm form = elements_of(probes, "layers.0.experts.up");
  EXPECT_DOUBLE_EQ(form.over_ep, 8.0 * 2 * 4096 * 14336);
  EXPECT_NEAR(form.constant, 0, 1);
  EXPECT_NEAR(form.per_token, 0, 1e-6);
  EXPECT_NEAR(form.over_ranks, 0, 1);
}

// Under ZeRO-1 the moments of the query, key and value projection, 4096 x (32 + 2 x 8) x 128 elements and three words
// each (weight, first and second moment), are cut over all ranks.
TEST(Probes, TellWhatZeroDivides) {
  const Plan plan = training_plan(4, 1);
  const Probes probes(plan, with_layers(plan.model, {0, 1}));
  double largest = 0;
  for (size_t i = 0; i < probes.first().tensors.size(); ++i) {
    if (probes.first().tensors[i].kind != TensorKind::optimizer) continue;
    const SizeForm form = probes.form([&](const TaskGraph& graph) { return graph.tensors[i].row_elements; });
    EXPECT_NEAR(form.constant + form.over_ep, 0, 1);
    if (form.over_ranks == 3.0 * 4096 * (32 + 2 * 8) * 128) largest = form.over_ranks;
  }
  EXPECT_EQ(largest, 3.0 * 4096 * (32 + 2 * 8) * 128);
}

// One microbatch of T tokens embeds T rows of 4096.
TEST(Probes, TellWhatGrowsWithTokens) {
  const Plan plan = training_plan(8, 0);
  const Probes probes(plan, with_layers(plan.model, {0, 1}));
  const SizeForm form = elements_of(probes, "embedded");
  EXPECT_DOUBLE_EQ(form.per_token, 4096);
  EXPECT_DOUBLE_EQ(form.at({1000, 8, 16}), 4096.0 * 1000);
}

TEST(StructureKey, IsOfWhatChangesTheTasks) {
  const Plan plan = training_plan(4, 1);
  Plan other = plan;
  other.layout.micro_batches = 4, other.layout.ep = 8, other.gradient_bucket_bytes = 1;
  EXPECT_EQ(structure_key(other), structure_key(plan));
  other = plan, other.layout.zero = 2;
  EXPECT_NE(structure_key(other), structure_key(plan));
  other = plan, other.layout.ep = 16;  // nobody else holds the same experts
  EXPECT_NE(structure_key(other), structure_key(plan));
}

}  // namespace
}  // namespace moesaic::planner
