#include "core/plan/choice_fields.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/plan/plan_document.h"
#include "tests/core/plan/sample_plan.h"

namespace moesaic {
namespace {

struct FieldCase {
  const char* pointer;
  std::vector<Json> legal, refused;
};

Json list(const char* text) { return Json::parse(text); }

/// Every field with the ends of its range or all of its choices, and values just outside or of another type.
std::vector<FieldCase> field_cases() {
  constexpr int kMost = 1 << 30;
  return {
      {"/layout/ranks", {1, kMost}, {0, kMost + int64_t{1}, 1.5, "1"}},
      {"/layout/ep", {1, kMost}, {0, -1, true}},
      {"/layout/micro_batches", {1, kMost}, {0, nullptr}},
      {"/layout/zero", {0, 1, 2, 3}, {-1, 4, "3"}},
      {"/layout/pp", {1, 65536}, {0, 65537}},
      {"/layout/tp", {1, 65536}, {0, 65537}},
      {"/layout/tp_tokens", {"split", "replicated"}, {"both", 0}},
      {"/layout/expert_slices", {1, 65536}, {0, 65537}},
      {"/layout/recompute", {"none", "full", "communication_aware"}, {"ful", 1}},
      {"/dispatch/kind", {"ragged", "padded"}, {"raged", 0}},
      {"/dispatch/capacity_factor", {0.0, 1.25, 1e6}, {-0.5, 1.1e6, "1"}},
      {"/dispatch/exchange", {"all_to_all", "all_gather"}, {"gather", 1}},
      {"/dispatch/all_to_all", {"flat", "hierarchical_2d", "node_limited"}, {"hierarchical", false}},
      {"/dispatch/chunks", {1, kMost}, {0, 0.5}},
      {"/dispatch/kernel", {"permute", "einsum"}, {"sort", 1}},
      {"/gradient_bucket_bytes", {0, int64_t{1} << 62}, {-1, "3 s"}},
      {"/fused_parameter_bytes", {0, int64_t{1} << 62}, {-1, "3 s"}},
      {"/gradient_reduction", {"as_ready", "after_backward"}, {"late", 1}},
      {"/optimizer_passes", {"fused", "separate"}, {"two", 1}},
      {"/prefetch/dense", {0, 65536}, {-1, 65537}},
      {"/prefetch/experts", {0, 65536}, {-1, 65537}},
      {"/expert_storage/home", {"device", "host", "storage"}, {"disk", 2}},
      {"/expert_storage/cache_entries", {0, int64_t{1} << 62}, {-1, "all"}},
      {"/expert_storage/threshold", {0.0, 1e300}, {-1, "0"}},
      {"/expert_storage/decay", {0.0, 1.0}, {-0.1, 1.1}},
      {"/expert_storage/period", {0, int64_t{1} << 62}, {-1, 0.5}},
      {"/expert_storage/flush_period", {0, int64_t{1} << 62}, {-1, 0.5}},
      {"/embedding", {"replicated", "column_partition"}, {"column", 1}},
      {"/placement",
       {list("[]"), list(R"([{"slots_per_rank":2,"slot_to_expert":[0,3]}])")},
       {1, list(R"([{"slots_per_rank":0,"slot_to_expert":[0]}])"), list("[{}]")}},
      {"/elastic",
       {list("{}"), list(R"({"sequences_per_rank":[1,2]})"), list(R"({"teams":[{"tasks":[0],"ranks":2}]})")},
       {list("[]"), list(R"({"sequences_per_rank":[0]})"), list(R"({"teams":[{"tasks":[0]}]})")}},
  };
}

/// Reads the choices of a document that has all keys, one of them changed.
PlanChoices read_with(const std::string& pointer, const Json& value) {
  Json document = Json::object();
  write_fields<PlanChoices>(choice_fields(), PlanChoices{}, document);
  document[Json::json_pointer(pointer)] = value;
  ObjectReader reader(document, "plan.json", "");
  PlanChoices choices;
  read_fields(reader, choice_fields(), choices, Reading::whole);
  reader.finish();
  return choices;
}

TEST(ChoiceFields, EachIsReadAndWrittenWithAllItsChoices) {
  for (const FieldCase& of : field_cases()) {
    for (const Json& value : of.legal) {
      SCOPED_TRACE(of.pointer + (" = " + value.dump()));
      Json written = Json::object();
      write_fields<PlanChoices>(choice_fields(), read_with(of.pointer, value), written);
      EXPECT_EQ(written[Json::json_pointer(of.pointer)], value);
    }
  }
}

TEST(ChoiceFields, EachIsRefusedOutOfRangeAtItsPlace) {
  for (const FieldCase& of : field_cases()) {
    for (const Json& value : of.refused) {
      SCOPED_TRACE(of.pointer + (" = " + value.dump()));
      try {
        read_with(of.pointer, value);
        ADD_FAILURE() << "accepted";
      } catch (const InputError& error) {
        EXPECT_EQ(error.pointer().rfind(of.pointer, 0), 0u) << error.what();
      }
    }
  }
}

TEST(ChoiceFields, TheseAreAll) {
  std::vector<std::string> here, there;
  for (const FieldCase& of : field_cases()) here.emplace_back(of.pointer);
  for (const DecisionField<PlanChoices>& field : choice_fields()) there.push_back(field.pointer());
  EXPECT_EQ(here, there);
}

// What a decision's struct holds and no table names would be lost in a document: the sample has no default left.
TEST(ChoiceFields, NoMemberIsForgotten) {
  PlanChoices sample = testing::sample_plan();
  sample.layout.tp_tokens = GroupTokens::replicated, sample.dispatch.exchange = ExpertExchange::all_gather;
  Json document = Json::object();
  write_fields<PlanChoices>(choice_fields(), sample, document);
  ObjectReader reader(document, "plan.json", "");
  PlanChoices choices;
  const size_t read = read_fields(reader, choice_fields(), choices, Reading::whole).size();
  EXPECT_EQ(choices, sample);
  EXPECT_EQ(read, choice_fields().size());
}

/// Where a plan of the defaults but one value is refused.
template <typename Change>
std::string refused_at(WorkloadPhase phase, Change change) {
  PlanChoices choices;
  change(choices);
  try {
    check_fields_have_effect(choices, phase, PlanChecker("plan.json"));
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(ChoiceFields, TrainingStatesAreOfTrainingAlone) {
  const auto zero = [](PlanChoices& choices) { choices.layout.zero = 1; };
  EXPECT_EQ(refused_at(WorkloadPhase::training, zero), "accepted");
  EXPECT_EQ(refused_at(WorkloadPhase::prefill, zero),
            "plan.json /layout/zero: divides training states, the workload is inference; set zero to 0, or take a "
            "training workload");
  const auto refused = [](auto change) {
    const std::string message = refused_at(WorkloadPhase::decode, change);
    return message.substr(0, message.find(':'));
  };
  EXPECT_EQ(refused([](PlanChoices& choices) { choices.layout.pp = 2; }), "plan.json /layout/pp");
  EXPECT_EQ(refused([](PlanChoices& choices) { choices.layout.recompute = Recompute::full; }),
            "plan.json /layout/recompute");
  EXPECT_EQ(refused([](PlanChoices& choices) { choices.embedding = Embedding::column_partition; }),
            "plan.json /embedding");
  EXPECT_EQ(refused([](PlanChoices& choices) { choices.expert_storage.home = Tier::host; }),
            "plan.json /expert_storage/home");
  EXPECT_EQ(refused([](PlanChoices&) {}), "accepted");
}

TEST(ChoiceFields, ConditionsAreHeld) {
  const auto ahead = [](PlanChoices& choices) { choices.prefetch.dense = 1; };
  EXPECT_EQ(
      refused_at(WorkloadPhase::training, ahead),
      "plan.json /prefetch/dense: gathers weights ahead, which only ZeRO-3 does; set dense to 0, or layout.zero to "
      "3");
  EXPECT_EQ(refused_at(WorkloadPhase::training, [&](PlanChoices& choices) { ahead(choices), choices.layout.zero = 3; }),
            "accepted");
}

// The words that plan documents keep of layouts and choices.
TEST(ChoiceFields, WordsForPeople) {
  Layout layout{8, 4, 1};
  EXPECT_EQ(describe(layout), "8 ranks, ep 4, 1 microbatch");
  layout.ranks = 1, layout.micro_batches = 2, layout.zero = 3, layout.pp = 2, layout.tp = 2;
  layout.expert_slices = 2, layout.recompute = Recompute::communication_aware;
  EXPECT_EQ(describe(layout), "1 rank, ep 4, 2 microbatches, ZeRO-3, 2 stages, tp 2, 2 slices per expert, recompute");
  EXPECT_EQ(in_words(&Layout::pp, 1), "1 stage");
  EXPECT_EQ(in_words(&Dispatch::chunks, 4), "4 chunks");
  EXPECT_EQ(in_words(&Prefetch::experts, 0), "experts 0 layers ahead");
  EXPECT_EQ(in_words(&Buckets::gradient_bucket_bytes, 0), "one collective per gradient");
  EXPECT_EQ(in_words(&Buckets::gradient_bucket_bytes, 16'000'000), "buckets of 16 MB");
}

using Rows = std::vector<std::pair<std::string, std::string>>;

TEST(ChoiceFields, RowsForPeople) {
  PlanChoices choices;
  EXPECT_EQ(choices_in_words(choices, WorkloadPhase::prefill, Summary::of_all),
            (Rows{{"layout", "1 rank, ep 1, 1 microbatch"}, {"dispatch", "ragged, flat all-to-all, 1 chunk"}}));
  choices.dispatch = {DispatchKind::padded, 1.25, AllToAllKind::hierarchical_2d, 2};
  choices.layout.pp = 2, choices.layout.zero = 1, choices.layout.recompute = Recompute::full;
  choices.prefetch.experts = 1;
  choices.expert_storage.home = Tier::storage, choices.expert_storage.cache_entries = 5000;
  choices.expert_storage.decay = 0.5;
  choices.embedding = Embedding::column_partition;
  choices.gradient_reduction = GradientReduction::after_backward;
  choices.optimizer_passes = OptimizerPasses::separate;
  const Rows brief = {{"layout", "1 rank, ep 1, 1 microbatch, 2 pipeline stages, layers recomputed"},
                      {"dispatch", "padded, hierarchical all-to-all, 2 chunks"},
                      {"gradient buckets", "none: one collective per gradient, summed after_backward"},
                      {"dense states", "ZeRO-1"},
                      {"expert states", "on storage, 5,000 expert slots cached per rank, 1 MoE layer ahead"},
                      {"optimizer", "separate passes"}};
  EXPECT_EQ(choices_in_words(choices, WorkloadPhase::training, Summary::short_one), brief);
  Rows all = brief;
  all[1].second = "padded, capacity 1.25, hierarchical all-to-all, 2 chunks";
  all.insert(all.end(), {{"expert storage", "decay 0.5"}, {"embedding", "column_partition"}});
  EXPECT_EQ(choices_in_words(choices, WorkloadPhase::training, Summary::of_all), all);
}

}  // namespace
}  // namespace moesaic
