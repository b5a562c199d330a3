#include "core/routing/chosen_rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "core/routing/node_rows.h"
#include "core/routing/recorded_routing.h"
#include "core/schema/hash.h"
#include "tests/core/graph/tiny_plan.h"

namespace moesaic {
namespace {

constexpr int kChosenRanks = 4, kChosenTokens = 30, kIterations = 2;

/// 8 experts, 3 a token, on 4 ranks of 2 nodes; experts in slots as `placement` says, where it does.
Plan plan_of(int chunks, int slices, const ExpertPlacement& placement = {}) {
  Plan plan = testing::tiny_plan(kChosenRanks, kChosenRanks);
  plan.model.num_experts = 8, plan.model.top_k = 3;
  plan.model.num_layers = 2, plan.model.moe_layers = {true, true};
  plan.workload.global_batch = 3 * kChosenRanks, plan.workload.sequence_length = kChosenTokens / 3;
  plan.dispatch.all_to_all = AllToAllKind::node_limited;
  plan.dispatch.chunks = chunks;
  plan.layout.expert_slices = slices;
  if (placement.slots_per_rank > 0) plan.placement.assign(static_cast<size_t>(plan.model.num_moe_layers()), placement);
  return plan;
}

/// What a skewed router chooses, some of it dropped.
void record(Plan& plan, uint64_t seed) {
  RoutingChoices choices{.top_k = 3,
                         .tokens = std::vector<int64_t>(kIterations * kChosenRanks, kChosenTokens),
                         .experts = {},
                         .scores = {}};
  uint64_t draw = seed;
  for (int64_t token = 0; token < kIterations * kChosenRanks * kChosenTokens * plan.model.num_moe_layers(); ++token) {
    std::set<int32_t> own;
    while (own.size() < 3) {
      draw = splitmix64(draw);
      own.insert(static_cast<int32_t>(std::min(draw % 8, draw / 8 % 8)));
    }
    std::vector<int32_t> experts(own.begin(), own.end());
    if (draw % 5 == 0) experts[draw / 64 % 3] = RoutingChoices::kDropped;
    choices.experts.insert(choices.experts.end(), experts.begin(), experts.end());
  }
  RoutingDocument& routing = plan.routing;
  routing.num_iterations = kIterations, routing.num_moe_layers = plan.model.num_moe_layers();
  routing.num_sources = kChosenRanks, routing.num_experts = 8;
  routing.counts = counts_of(choices, {kIterations, routing.num_moe_layers, kChosenRanks, 8});
  routing.choices = std::make_shared<RoutingChoices>(choices);
}

/// By going through every token of the chunk, twice.
struct Walked {
  std::vector<int64_t> of_slots, of_nodes;

  Walked(const Plan& plan, const ExpertPlacement& placement, int64_t iteration, int layer, int source, int chunk,
         int chunks)
      : of_slots(placement.slot_to_expert.size(), 0), of_nodes(2, 0) {
    const RoutingChoices& choices = *plan.routing.choices;
    const int64_t layers = plan.model.num_moe_layers(), first = (iteration * kChosenRanks + source) * kChosenTokens;
    const int slices = plan.layout.expert_slices;
    const auto expert = [&](int64_t token, int64_t i) {
      return choices.experts[static_cast<size_t>(((first + token) * layers + layer) * 3 + i)];
    };
    std::vector<int64_t> rows(8, 0), seen(8, 0);
    const int64_t begin = chunk * kChosenTokens / chunks, end = (chunk + 1) * kChosenTokens / chunks;
    for (int64_t token = begin; token < end; ++token)
      for (int64_t i = 0; i < 3; ++i)
        if (expert(token, i) >= 0) ++rows[static_cast<size_t>(expert(token, i))];
    for (int64_t token = begin; token < end; ++token) {
      std::set<size_t> nodes;
      for (int64_t i = 0; i < 3; ++i) {
        const int e = expert(token, i);
        if (e < 0) continue;
        const int64_t row = seen[static_cast<size_t>(e)]++;
        for (int slice = 0; slice < slices; ++slice) {
          std::vector<size_t> slots;
          for (size_t slot = 0; slot < of_slots.size(); ++slot)
            if (placement.slot_to_expert[slot] == e * slices + slice) slots.push_back(slot);
          for (size_t j = 0; j < slots.size(); ++j) {
            const auto n = rows[static_cast<size_t>(e)], replicas = std::ssize(slots),
                       replica = static_cast<int64_t>(j);
            if (replica * n / replicas > row || (replica + 1) * n / replicas <= row) continue;
            ++of_slots[slots[j]];
            nodes.insert(slots[j] * 2 / of_slots.size());
          }
        }
      }
      for (const size_t node : nodes) ++of_nodes[node];
    }
  }
};

void expect_walked(const Plan& plan, int chunks) {
  const RecordedRouting routing(plan);
  for (int64_t iteration = 0; iteration < kIterations + 1; ++iteration)  // the last wraps around
    for (int layer = 0; layer < plan.model.num_moe_layers(); ++layer)
      for (int chunk = 0; chunk < chunks; ++chunk) {
        const SlotCounts& counts = routing.counts(iteration, layer, 0, chunk, chunks);
        for (int source = 0; source < kChosenRanks; ++source) {
          const Walked walked(plan, routing.rules().placement[layer], iteration % kIterations, layer, source, chunk,
                              chunks);
          for (size_t slot = 0; slot < walked.of_slots.size(); ++slot)
            EXPECT_EQ(counts.at(source, static_cast<int>(slot)), walked.of_slots[slot]) << iteration << " " << source;
          for (int node = 0; node < 2; ++node)
            EXPECT_EQ(counts.once(source, node), walked.of_nodes[static_cast<size_t>(node)]);
        }
      }
}

TEST(ChosenRows, AreThoseOfEveryToken) {
  for (const int chunks : {1, 4}) {
    Plan plan = plan_of(chunks, 1);
    record(plan, 1);
    expect_walked(plan, chunks);
  }
}

// Expert 0 stands on both nodes and three times in all, expert 1 twice on one node.
TEST(ChosenRows, OfReplicasGoWhereTheirShareIs) {
  for (const int chunks : {1, 3}) {
    Plan plan = plan_of(chunks, 1, {3, {0, 1, 2, /**/ 0, 1, 3, /**/ 0, 4, 5, /**/ 6, 7, 2}});
    record(plan, 2);
    expect_walked(plan, chunks);
  }
}

// Slices 0 and 1 of expert 0 on different nodes, as of expert 4; others on one.
TEST(ChosenRows, OfSlicesReachTheNodeOfEach) {
  Plan plan = plan_of(2, 2, {4, {0, 2, 3, 4, /**/ 5, 6, 7, 8, /**/ 1, 9, 10, 11, /**/ 12, 13, 14, 15}});
  record(plan, 3);
  expect_walked(plan, 2);
}

// 30 tokens choose experts 0 to 2, of which each takes ceil(0.5 * 30 * 3 / 8) = 6: the first six tokens of one chunk,
// of two chunks the first three of each. All stand on node 0.
TEST(ChosenRows, ACapacityTakesTheFirstTokensOfAChunk) {
  Plan plan = plan_of(2, 1);
  plan.dispatch.capacity_factor = 0.5;
  std::vector<int32_t> choices;
  for (int token = 0; token < kChosenTokens; ++token) choices.insert(choices.end(), {0, 1, 2});
  const RoutingRules rules(plan);
  for (const auto& [chunks, rows] : {std::pair{1, 6}, {2, 3}}) {
    const ChosenRows chosen = chosen_rows(rules, 0, 1, choices, 0, chunks);
    EXPECT_EQ(chosen.of_experts, (std::vector<int64_t>{rows, rows, rows, 0, 0, 0, 0, 0}));
    EXPECT_EQ(chosen.of_nodes, (std::vector<int64_t>{rows, 0}));
  }
}

// A recording of other tokens says rows per expert alone: what tokens send to nodes is what to expect of them.
TEST(ChosenRows, NeedARecordingOfAsManyTokens) {
  Plan plan = plan_of(1, 1), other = plan_of(1, 1);
  record(plan, 4);
  other.workload.sequence_length *= 2;
  other.routing = plan.routing;
  const RecordedRouting fits(plan), scaled(other);
  other.routing.choices = nullptr;
  const RecordedRouting counts_alone(other);
  for (int source = 0; source < kChosenRanks; ++source)
    for (int node = 0; node < 2; ++node) {
      EXPECT_EQ(scaled.counts(0, 0, 0, 0, 1).once(source, node), counts_alone.counts(0, 0, 0, 0, 1).once(source, node));
      EXPECT_LE(fits.counts(0, 0, 0, 0, 1).once(source, node), kChosenTokens);
    }
}

// 2000 drawn tokens of 8 uniform experts, 3 each, 4 on a node: 2000 (1 - C(4, 3) / C(8, 3)) = 1857 for each node; the
// standard deviation is sqrt(1857 / 14) = 11.5.
TEST(ChosenRows, OfDrawnTokensAreAboutWhatToExpect) {
  Plan plan = plan_of(1, 1);
  plan.workload.sequence_length = 2000, plan.workload.global_batch = kChosenRanks;
  plan.routing.generator = {0, 1, true, 0.5, {}};
  const RecordedRouting routing(plan);
  for (int layer = 0; layer < plan.model.num_moe_layers(); ++layer)
    for (int source = 0; source < kChosenRanks; ++source)
      for (int node = 0; node < 2; ++node)
        EXPECT_NEAR(static_cast<double>(routing.counts(0, layer, 0, 0, 1).once(source, node)), 1857, 58);
}

}  // namespace
}  // namespace moesaic
