// What routers chose, as a run records it, against what they announced in that run: rows per expert and rows once per
// node, chunk by chunk, when the recording is bound as the simulator binds it.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>

#include "core/operators/router.h"
#include "core/routing/recorded_routing.h"
#include "core/schema/documents.h"
#include "core/schema/error.h"
#include "executor/comm/threads.h"
#include "executor/cpu/cpu_backend.h"
#include "tests/executor/runtime/training/small_training.h"

namespace moesaic::executor {
namespace {

constexpr int64_t kRecordedSteps = 2;

/// By step, microbatch, MoE layer: what a router made for its rank, [chunks, experts] and then [chunks, nodes].
using Announced = std::map<std::array<int64_t, 3>, std::vector<int32_t>>;

/// A CPU that keeps the counts of its routers.
class ListeningBackend final : public cpu::CpuBackend {
 public:
  void launch(const Launch& launch) override {
    CpuBackend::launch(launch);
    if (launch.task.op != Op::router) return;
    const Operand& counts = launch.writes[operands::Router::local_counts];
    heard[{launch.context.step, launch.task.microbatch, launch.task.moe_layer}] = {counts.i32(),
                                                                                   counts.i32() + counts.elements()};
  }
  Announced heard;
};

struct Run {
  TrainResult result;            // of rank 0
  std::vector<Announced> heard;  // [ranks]
};

Run run(const Plan& plan, RoutingForm record) {
  check_plan(plan, "test");
  check_trainable(plan, "test", record);
  Run run;
  run.heard.resize(static_cast<size_t>(plan.layout.ranks));
  TrainOptions options;
  options.steps = kRecordedSteps;
  options.record = record;
  std::mutex mutex;
  run_on_threads(plan.layout.ranks, plan.cluster.devices_per_node, [&](int rank, Transport& transport) {
    ListeningBackend backend;
    TrainResult result = train(plan, rank, backend, transport, testing::corpus(), options);
    const std::lock_guard lock(mutex);
    if (rank == 0) run.result = std::move(result);
    run.heard[static_cast<size_t>(rank)] = std::move(backend.heard);
  });
  return run;
}

/// Counts follow, experts of a token differ, and the document says it all.
void expect_sound(const RoutingDocument& routing) {
  ASSERT_EQ(form_of(routing), RoutingForm::choices_with_scores);
  EXPECT_EQ(routing.counts, counts_of(*routing.choices, routing.shape()));
  EXPECT_EQ(read_routing(parse_json(write_routing(routing).dump(), "again"), "again"), routing);
}

/// Rows of every slice of an expert on whatever slots, and rows of nodes, of one source and chunk.
void expect_announced(const RecordedRouting& routing, const SlotCounts& counts, int moe_layer, int source, int chunk,
                      const std::vector<int32_t>& heard) {
  const RoutingRules& rules = routing.rules();
  const std::vector<int>& held = rules.placement[moe_layer].slot_to_expert;
  std::vector<int64_t> of_slices(static_cast<size_t>(rules.num_experts * rules.expert_slices), 0);
  for (size_t slot = 0; slot < held.size(); ++slot)
    of_slices[static_cast<size_t>(held[slot])] += counts.at(source, static_cast<int>(slot));
  for (size_t slice = 0; slice < of_slices.size(); ++slice)
    EXPECT_EQ(of_slices[slice],
              heard[static_cast<size_t>(chunk * rules.num_experts) + slice / static_cast<size_t>(rules.expert_slices)]);
  for (int node = 0; node < rules.nodes_reached_once; ++node)
    EXPECT_EQ(
        counts.once(source, node),
        heard[static_cast<size_t>(rules.num_chunks * rules.num_experts + chunk * rules.nodes_reached_once + node)]);
}

void expect_bound_as_announced(Plan plan) {
  const Run ran = run(plan, RoutingForm::choices_with_scores);
  expect_sound(ran.result.routing);
  plan.routing = ran.result.routing;
  const RecordedRouting routing(plan);
  size_t compared = 0;
  for (int rank = 0; rank < plan.layout.ranks; ++rank)
    for (const auto& [key, heard] : ran.heard[static_cast<size_t>(rank)])
      for (int chunk = 0; chunk < plan.dispatch.chunks; ++chunk, ++compared) {
        const auto [step, microbatch, layer] = key;
        const SlotCounts& counts = routing.counts(step * plan.layout.micro_batches + microbatch,
                                                  static_cast<int>(layer), rank, chunk, plan.dispatch.chunks);
        expect_announced(routing, counts, static_cast<int>(layer), routing.rules().position(rank), chunk, heard);
      }
  EXPECT_EQ(compared, static_cast<size_t>(kRecordedSteps * plan.layout.micro_batches * plan.model.num_moe_layers() *
                                          plan.layout.stage_ranks() * plan.dispatch.chunks));
}

Plan node_limited(int nodes, int per_node, int ep) {
  Plan plan = testing::unchecked_plan_of(nodes, per_node, ep);
  plan.dispatch.all_to_all = AllToAllKind::node_limited;
  return plan;
}

TEST(RecordedChoices, BindWhatRoutersAnnounced) {
  expect_bound_as_announced(testing::plan_of(1, 2, 2));
  expect_bound_as_announced(node_limited(2, 1, 2));
  expect_bound_as_announced(node_limited(2, 2, 4));
}

TEST(RecordedChoices, BindChunksAndRecomputedLayers) {
  Plan plan = node_limited(2, 1, 2);
  plan.dispatch.chunks = 3;
  expect_bound_as_announced(plan);
  plan.layout.recompute = Recompute::full;
  expect_bound_as_announced(plan);
}

// Padded dispatch with a capacity of ceil(0.75 * 64 * 2 / 8) = 12 rows of each source for an expert: it sends 12,
// whoever fills them; a choice beyond them is dropped, and counts for nothing.
TEST(RecordedChoices, SayWhatWasDropped) {
  Plan plan = testing::unchecked_plan_of(1, 2, 2);
  plan.dispatch.kind = DispatchKind::padded, plan.dispatch.capacity_factor = 0.75;
  const RoutingDocument routing = run(plan, RoutingForm::choices_with_scores).result.routing;
  expect_sound(routing);
  EXPECT_EQ(*std::max_element(routing.counts.begin(), routing.counts.end()), 12);
  const RoutingChoices& choices = *routing.choices;
  EXPECT_GT(std::count(choices.experts.begin(), choices.experts.end(), RoutingChoices::kDropped), 0);
  for (size_t i = 0; i < choices.experts.size(); ++i)
    EXPECT_EQ(choices.scores[i] == 0, choices.experts[i] == RoutingChoices::kDropped);
  plan.routing = routing;
  EXPECT_EQ(RecordedRouting(plan).counts(0, 0, 0, 0, 1).slot_rows(0), (std::vector<int64_t>{24, 24, 24, 24}));
}

TEST(RecordedChoices, BindReplicasAndSlices) {
  Plan plan = node_limited(2, 1, 2);
  plan.dispatch.chunks = 2;
  ExpertPlacement replicated{5, {}};
  for (int slot = 0; slot < 10; ++slot) replicated.slot_to_expert.push_back(slot * 3 % 8);
  plan.placement.assign(2, replicated);
  expect_bound_as_announced(plan);
  plan.layout.expert_slices = 2;
  ExpertPlacement scattered{8, {}};
  for (int slot = 0; slot < 16; ++slot) scattered.slot_to_expert.push_back(slot * 7 % 16);
  plan.placement.assign(2, scattered);
  expect_bound_as_announced(plan);
}

TEST(RecordedChoices, OfAPipelineAreThoseOfTheStageThatHasTheLayer) {
  Plan plan = testing::unchecked_plan_of(1, 4, 2);
  plan.layout.pp = 2;
  expect_bound_as_announced(plan);
}

// Where a router sees the tokens of all ranks, a rank records its own: the counts, which ranks announce, say which.
TEST(RecordedChoices, OfGatheredTokensAreTheRanksOwn) {
  Plan plan = testing::unchecked_plan_of(1, 4, 2);
  plan.dispatch.exchange = ExpertExchange::all_gather;
  expect_sound(run(plan, RoutingForm::choices_with_scores).result.routing);
  plan.layout.tp = 2, plan.layout.tp_tokens = GroupTokens::replicated;
  expect_sound(run(plan, RoutingForm::choices_with_scores).result.routing);
}

// 2 steps of 2 microbatches, 2 ranks, 64 tokens each: weights of a token add up to 1, the larger one first.
TEST(RecordedChoices, ScoresAreTheWeightsOfTheRouter) {
  const RoutingDocument routing = run(testing::plan_of(1, 2, 2), RoutingForm::choices_with_scores).result.routing;
  const std::vector<float>& scores = routing.choices->scores;
  ASSERT_EQ(scores.size(), static_cast<size_t>(2 * 2 * 2 * 64 * 2 * 2));
  for (size_t i = 0; i < scores.size(); i += 2) {
    EXPECT_NEAR(scores[i] + scores[i + 1], 1, 1e-6);
    EXPECT_GE(scores[i], scores[i + 1]);
  }
}

// With that learning rate the second step's weights, and so its scores, are no numbers; documents hold numbers alone.
TEST(RecordedChoices, OfAStepThatIsSkippedHaveNoScores) {
  Plan plan = testing::plan_of(1, 2, 2);
  plan.workload.optimizer.learning_rate = 1e30;
  const TrainResult result = run(plan, RoutingForm::choices_with_scores).result;
  EXPECT_EQ(result.skipped_steps, (std::vector<int64_t>{1}));
  expect_sound(result.routing);
  EXPECT_EQ(result.routing.choices->scores.back(), 0);
}

TEST(RecordedChoices, ChangeNoBitAndAreThereWhenAskedFor) {
  const Plan plan = testing::plan_of(1, 2, 2);
  const TrainResult plain = run(plan, RoutingForm::counts_by_source).result;
  const TrainResult recorded = run(plan, RoutingForm::choices).result;
  EXPECT_EQ(plain.loss, recorded.loss);
  EXPECT_EQ(plain.routing.counts, recorded.routing.counts);
  EXPECT_EQ(plain.routing.choices, nullptr);
  EXPECT_EQ(form_of(recorded.routing), RoutingForm::choices);
}

TEST(RecordedChoices, NeedARouter) {
  Plan plan = testing::plan_of(1, 2, 2);
  plan.model.routed_by_task = true;
  EXPECT_THROW(check_trainable(plan, "test", RoutingForm::choices), InputError);
  EXPECT_NO_THROW(check_trainable(plan, "test", RoutingForm::counts_by_source));
}

}  // namespace
}  // namespace moesaic::executor
