#include "planner/problem/preset.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/schema/error.h"
#include "planner/make_plan.h"
#include "tests/planner/known_prices.h"

namespace moesaic::planner {
namespace {

Fixed shipped_preset(const std::string& name) {
  const std::string path = std::string(MOESAIC_SOURCE_DIR) + "/planner/presets/" + name + ".json";
  return read_preset(read_json(path), path);
}

/// What read_preset() says about a preset; "" when it accepts.
std::string refusal(const std::string& members) {
  try {
    read_preset(parse_json(R"({"kind": "moesaic.preset/1", "name": "p")" + members + "}", "p.json"), "p.json");
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

Plan plan_of(const std::string& preset) {
  Problem problem = testing::tiny_problem();
  problem.fixed = shipped_preset(preset);
  testing::KnownPrices prices([](const Plan& plan) { return 1.0 / plan.layout.ep; });
  return make_plan(problem, prices).plan;
}

TEST(Preset, Semoe) {
  const Plan plan = plan_of("semoe");
  EXPECT_EQ(plan.dispatch, (Dispatch{DispatchKind::ragged, 0, AllToAllKind::hierarchical_2d, 1}));
  EXPECT_EQ(plan.gradient_bucket_bytes, 16777216);  // 2^23 elements of bf16
  EXPECT_EQ(plan.layout.zero, 3);
  EXPECT_EQ(plan.fused_parameter_bytes, 268435456);  // 256 MiB
  EXPECT_EQ(plan.prefetch, (Prefetch{1, 0}));
  EXPECT_EQ(plan.placement[0], contiguous_placement(4, 4));
}

TEST(Preset, DeepspeedMoe) {
  const Plan plan = plan_of("deepspeed_moe");
  EXPECT_EQ(plan.dispatch, (Dispatch{DispatchKind::padded, 1.0, AllToAllKind::flat, 1, ExpertExchange::all_to_all,
                                     RowKernel::einsum}));
  EXPECT_EQ(plan.gradient_bucket_bytes, 1'000'000'000);  // 5e8 elements of bf16
  EXPECT_EQ(plan.gradient_reduction, GradientReduction::after_backward);
  EXPECT_EQ(plan.optimizer_passes, OptimizerPasses::separate);
  EXPECT_EQ(plan.layout.zero, 0);
  EXPECT_EQ(plan.fused_parameter_bytes, 0);
  EXPECT_EQ(plan.prefetch, Prefetch{});
}

TEST(Preset, Megatron) {
  const Plan plan = plan_of("megatron");
  EXPECT_EQ(plan.dispatch, (Dispatch{DispatchKind::ragged, 0, AllToAllKind::flat, 1}));
  EXPECT_EQ(plan.gradient_bucket_bytes, 80000000);  // 40e6 elements of bf16
}

TEST(Preset, DeepseekV3) {
  const Plan plan = plan_of("deepseek_v3");
  EXPECT_EQ(plan.dispatch, (Dispatch{DispatchKind::ragged, 0, AllToAllKind::node_limited, 1}));
  EXPECT_EQ(plan.layout.zero, 1);
  EXPECT_EQ(plan.placement[0], contiguous_placement(4, 4));
}

// The hierarchy needs a group that spans nodes.
TEST(Preset, SemoeInsideOneNodeIsFlat) {
  Problem problem = testing::tiny_problem();
  problem.fixed = shipped_preset("semoe");
  problem.fixed.set(&Layout::ep, 2);
  testing::KnownPrices prices([](const Plan&) { return 1.0; });
  EXPECT_EQ(make_plan(problem, prices).plan.dispatch.all_to_all, AllToAllKind::flat);
}

// Inference has no training states to divide: the preset's other decisions stand.
TEST(Preset, SemoeDividesNothingInInference) {
  Problem problem = testing::tiny_problem();
  problem.workload.phase = WorkloadPhase::prefill;
  problem.fixed = shipped_preset("semoe");
  testing::KnownPrices prices([](const Plan&) { return 1.0; });
  const Plan plan = make_plan(problem, prices).plan;
  EXPECT_EQ(plan.layout.zero, 0);
  EXPECT_EQ(plan.fused_parameter_bytes, 0);
  EXPECT_EQ(plan.prefetch, Prefetch{});
  EXPECT_EQ(plan.dispatch.all_to_all, AllToAllKind::hierarchical_2d);
}

TEST(Preset, ReadsEveryKey) {
  const Fixed fixed = read_preset(parse_json(R"({"kind": "moesaic.preset/1", "name": "all", "note": "n",
        "layout": {"ep": 8, "micro_batches": 2, "zero": 3, "pp": 1, "tp": 4, "expert_slices": 2, "recompute": "full"},
        "fused_parameter_bytes": "1 MB", "prefetch": {"dense": 2, "experts": 1}, "embedding": "column_partition",
        "expert_storage": {"home": "storage", "cache_entries": 5},
        "dispatch": {"kind": "padded", "capacity_factor": 2, "all_to_all": "flat", "chunks": 4},
        "gradient_bucket_bytes": "25 MB", "placement": "local_search"})",
                                             "all.json"),
                                  "all.json");
  EXPECT_EQ(fixed.preset, "all");
  EXPECT_EQ(fixed.get(&Layout::ep), 8);
  EXPECT_EQ(fixed.get(&Layout::micro_batches), 2);
  EXPECT_EQ(fixed.get(&Dispatch::kind), DispatchKind::padded);
  EXPECT_EQ(fixed.get(&Dispatch::capacity_factor), 2);
  EXPECT_EQ(fixed.get(&Dispatch::all_to_all), AllToAllKind::flat);
  EXPECT_EQ(fixed.get(&Dispatch::chunks), 4);
  EXPECT_EQ(fixed.get(&Buckets::gradient_bucket_bytes), 25'000'000);
  EXPECT_EQ(fixed.placement, "local_search");
  EXPECT_EQ(fixed.get(&Layout::zero), 3);
  EXPECT_EQ(fixed.get(&Buckets::fused_parameter_bytes), 1'000'000);
  EXPECT_EQ(fixed.get(&Prefetch::dense), 2);
  EXPECT_EQ(fixed.get(&Prefetch::experts), 1);
  EXPECT_EQ(fixed.get(&Layout::pp), 1);
  EXPECT_EQ(fixed.get(&Layout::tp), 4);
  EXPECT_EQ(fixed.get(&Layout::expert_slices), 2);
  EXPECT_EQ(fixed.get(&Layout::recompute), Recompute::full);
  EXPECT_EQ(fixed.get(&EmbeddingTable::embedding), Embedding::column_partition);
  EXPECT_EQ(fixed.get(&ExpertStorage::home), Tier::storage);
  EXPECT_EQ(fixed.get(&ExpertStorage::cache_entries), 5);
  EXPECT_FALSE(fixed.has(&ExpertStorage::decay));
}

// Two stages of two ranks, whose heads are cut, with experts sliced: what a plan has of it, where the planner chooses
// the rest.
TEST(Preset, FixesWhatALayoutCuts) {
  Problem problem = testing::tiny_problem();
  problem.model.num_layers = 2;
  problem.model.moe_layers = {true, true};
  problem.fixed = read_preset(parse_json(R"({"kind": "moesaic.preset/1", "name": "cut",
        "layout": {"pp": 2, "tp": 2, "expert_slices": 2, "recompute": "full", "zero": 1}})",
                                         "cut.json"),
                              "cut.json");
  testing::KnownPrices prices([](const Plan& plan) { return 1.0 / plan.layout.ep / plan.layout.micro_batches; });
  const Plan plan = make_plan(problem, prices).plan;
  Layout expected{4, 2, 8};
  expected.zero = 1;
  expected.tp = expected.expert_slices = expected.pp = 2;
  expected.recompute = Recompute::full;
  EXPECT_EQ(plan.layout, expected);
}

TEST(Preset, FixesWhereExpertsAndTheEmbeddingLive) {
  Problem problem = testing::tiny_problem();
  problem.cluster.storage_bytes = 1'000'000'000;
  problem.cluster.storage_read_bytes_per_s = problem.cluster.storage_write_bytes_per_s = 1e9;
  problem.fixed = read_preset(parse_json(R"({"kind": "moesaic.preset/1", "name": "far", "embedding": "column_partition",
        "expert_storage": {"home": "storage", "cache_entries": 3}, "prefetch": {"experts": 1}})",
                                         "far.json"),
                              "far.json");
  testing::KnownPrices prices([](const Plan&) { return 1.0; });
  Plan plan = make_plan(problem, prices).plan;
  EXPECT_EQ(plan.embedding, Embedding::column_partition);
  EXPECT_EQ(plan.expert_storage, (ExpertStorage{Tier::storage, 3}));
  EXPECT_EQ(plan.prefetch, (Prefetch{0, 1}));
  problem.workload.phase = WorkloadPhase::prefill;  // has no training states
  plan = make_plan(problem, prices).plan;
  EXPECT_EQ(plan.embedding, Embedding::replicated);
  EXPECT_EQ(plan.expert_storage, ExpertStorage{});
}

TEST(Preset, AnEmptyOneFixesNothing) { EXPECT_EQ(refusal(""), ""); }

TEST(Preset, RefusesWithTheNearestKey) {
  const std::pair<const char*, const char*> cases[] = {
      {R"(, "gradient_bucket_byte": 1)", "\"gradient_bucket_bytes\""},
      {R"(, "dispatch": {"chunk": 2})", "\"chunks\""},
      {R"(, "layout": {"eps": 2})", "\"ep\""},
      {R"(, "layout": {"zero": 3}, "prefetch": {"denses": 1})", "\"dense\""},
      {R"(, "placement": "contigous")", "\"contiguous\""},
      {R"(, "dispatch": {"all_to_all": "hierarchical"})", "\"hierarchical_2d\""},
  };
  for (const auto& [members, nearest] : cases)
    EXPECT_NE(refusal(members).find(nearest), std::string::npos) << members << "\n" << refusal(members);
}

TEST(Preset, RefusesValuesOutOfRange) {
  for (const char* members : {R"(, "layout": {"ep": 0})", R"(, "dispatch": {"chunks": 0})",
                              R"(, "dispatch": {"kind": "padded", "capacity_factor": -1})",
                              R"(, "gradient_bucket_bytes": -1)", R"(, "placement": 3)"})
    EXPECT_NE(refusal(members), "") << members;
}

// Only ZeRO-3 gathers weights, so only there can gathers be fused or run ahead.
TEST(Preset, RefusesGathersOfWholeWeights) {
  EXPECT_NE(refusal(R"(, "fused_parameter_bytes": 1)"), "");
  EXPECT_NE(refusal(R"(, "layout": {"zero": 2}, "prefetch": {"dense": 1})"), "");
  EXPECT_EQ(refusal(R"(, "layout": {"zero": 3}, "prefetch": {"dense": 1})"), "");
}

// Neither could be lowered: padding without a size, a size without padding.
TEST(Preset, RefusesHalfACapacity) {
  EXPECT_NE(refusal(R"(, "dispatch": {"kind": "padded"})"), "");
  EXPECT_NE(refusal(R"(, "dispatch": {"capacity_factor": 1.25})"), "");
  EXPECT_NE(refusal(R"(, "dispatch": {"kind": "ragged", "capacity_factor": 1.25})"), "");
}

}  // namespace
}  // namespace moesaic::planner
