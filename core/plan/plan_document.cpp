// The plan document: the decisions, the documents they were made for, and the hashes of those.

#include <nlohmann/json.hpp>

#include "core/plan/plan_document.h"
#include "core/plan/plan_fields.h"
#include "core/plan/predicted.h"
#include "core/schema/documents.h"

namespace moesaic {
namespace {

constexpr IntegerRange kNotNegativeCount{0, std::numeric_limits<int64_t>::max()};

Layout read_layout(ObjectReader reader) {
  Layout layout;
  layout.ranks = static_cast<int>(reader["ranks"].integer(kCount));
  layout.ep = static_cast<int>(reader["ep"].integer(kCount));
  layout.micro_batches = static_cast<int>(reader["micro_batches"].integer(kCount, layout.micro_batches));
  layout.zero = static_cast<int>(reader["zero"].integer({0, 3}, layout.zero));
  layout.pp = static_cast<int>(reader["pp"].integer({1, 1 << 16}, layout.pp));
  layout.tp = static_cast<int>(reader["tp"].integer({1, 1 << 16}, layout.tp));
  layout.expert_slices = static_cast<int>(reader["expert_slices"].integer({1, 1 << 16}, layout.expert_slices));
  layout.recompute = reader["recompute"].choice(kRecomputeNames, layout.recompute);
  reader.finish();
  return layout;
}

Prefetch read_prefetch(const Field& field) {
  Prefetch prefetch;
  if (!field.present()) return prefetch;
  ObjectReader reader = field.object();
  prefetch.dense = static_cast<int>(reader["dense"].integer({0, 1 << 16}, prefetch.dense));
  prefetch.experts = static_cast<int>(reader["experts"].integer({0, 1 << 16}, prefetch.experts));
  reader.finish();
  return prefetch;
}

Json write_expert_storage(const ExpertStorage& storage) {
  return {{"home", kTierNames[static_cast<size_t>(storage.home)]},
          {"cache_entries", storage.cache_entries},
          {"threshold", storage.threshold},
          {"decay", storage.decay},
          {"period", storage.period},
          {"flush_period", storage.flush_period}};
}

Json write_layout(const Layout& layout) {
  return {{"ranks", layout.ranks},
          {"ep", layout.ep},
          {"micro_batches", layout.micro_batches},
          {"zero", layout.zero},
          {"pp", layout.pp},
          {"tp", layout.tp},
          {"expert_slices", layout.expert_slices},
          {"recompute", kRecomputeNames[static_cast<size_t>(layout.recompute)]}};
}

Dispatch read_dispatch(const Field& field) {
  Dispatch dispatch;
  if (!field.present()) return dispatch;
  ObjectReader reader = field.object();
  dispatch.kind = reader["kind"].choice(kDispatchNames, dispatch.kind);
  dispatch.capacity_factor = reader["capacity_factor"].number({0, 1e6}, dispatch.capacity_factor);
  dispatch.all_to_all = reader["all_to_all"].choice(kAllToAllNames, dispatch.all_to_all);
  dispatch.chunks = static_cast<int>(reader["chunks"].integer(kCount, dispatch.chunks));
  reader.finish();
  return dispatch;
}

ExpertPlacement read_placement(ObjectReader reader) {
  ExpertPlacement placement;
  placement.slots_per_rank = static_cast<int>(reader["slots_per_rank"].integer({1, 1 << 16}));
  placement.slot_to_expert = reader["slot_to_expert"].integers<int>({0, 1 << 16});
  reader.finish();
  return placement;
}

Team read_team(ObjectReader reader) {
  Team team;
  team.ranks = static_cast<int>(reader["ranks"].integer({1, 1 << 20}));
  team.tasks = reader["tasks"].integers<int>({0, 1 << 16});
  reader.finish();
  return team;
}

Elastic read_elastic(const Field& field) {
  Elastic elastic;
  if (!field.present()) return elastic;
  ObjectReader reader = field.object();
  if (const Field shares = reader["sequences_per_rank"]; shares.present())
    elastic.sequences_per_rank = shares.integers(kCount);
  if (const Field teams = reader["teams"]; teams.present()) elastic.teams = teams.objects(read_team);
  reader.finish();
  return elastic;
}

Prediction read_prediction(const Field& field) {
  Prediction prediction;
  if (!field.present()) return prediction;
  ObjectReader reader = field.object();
  prediction.step_seconds = reader["step_seconds"].quantity("s", kNotNegative, 0);
  prediction.tokens_per_second = reader["tokens_per_second"].number(kNotNegative, 0);
  prediction.lower_bound_seconds = reader["lower_bound_seconds"].quantity("s", kNotNegative, 0);
  prediction.gap = reader["gap"].number({-1, std::numeric_limits<double>::max()}, 0);
  prediction.exposed_communication_seconds = reader["exposed_communication_seconds"].quantity("s", kNotNegative, 0);
  prediction.bubble_seconds = reader["bubble_seconds"].quantity("s", kNotNegative, 0);
  prediction.exposed_transfer_seconds = reader["exposed_transfer_seconds"].quantity("s", kNotNegative, 0);
  if (const Field peaks = reader["peak_bytes"]; peaks.present()) {
    ObjectReader tiers = peaks.object();
    for (const char* tier : {"device", "host", "storage"}) {
      if (tiers[tier].present()) prediction.peak_bytes[tier] = tiers[tier].bytes(kBytesRange);
    }
    tiers.finish();
  }
  prediction.tasks = reader["tasks"].integer(kNotNegativeCount, 0);
  prediction.made_for = reader["made_for"].text("");
  reader.finish();
  return prediction;
}

Decision read_decision(ObjectReader reader) {
  Decision decision;
  decision.what = reader["what"].text();
  decision.choice = reader["choice"].text();
  if (const Field losers = reader["runners_up"]; losers.present()) {
    for (size_t i = 0; i < losers.size(); ++i) {
      ObjectReader loser = losers[i].object();
      Alternative alternative;
      alternative.choice = loser["choice"].text();
      alternative.step_seconds = loser["step_seconds"].quantity("s", kNotNegative, 0);
      alternative.reason = loser["reason"].text("");
      loser.finish();
      decision.runners_up.push_back(alternative);
    }
  }
  reader.finish();
  return decision;
}

/// An embedded document together with its hash, where the plan gives one.
const Field& checked(const Field& document, const Field& hash) {
  if (!hash.present()) return document;
  const std::string found = document_hash(document.json());
  if (hash.text() != found) {
    document.refuse("has hash " + found + ", the plan says " + hash.text().substr(0, 80), "",
                    "the plan was changed after it was made: make it again, or remove " + hash.pointer());
  }
  return document;
}

void read_documents(ObjectReader documents, const Field& hashes_field, Plan& plan) {
  static const Json kNoHashes = Json::object();
  ObjectReader hashes(hashes_field.present() ? hashes_field.json() : kNoHashes, documents.file(),
                      hashes_field.pointer());
  const auto read = [&](const char* name, auto reader) {
    const Field field = checked(documents[name], hashes[name]);
    return reader(field.json(), documents.file(), field.pointer());
  };
  plan.model = read("model", read_model);
  plan.cluster = read("cluster", read_cluster);
  plan.workload = read("workload", read_workload);
  plan.routing = read("routing", read_routing);
  plan.profile = read("profile", read_profile);
  documents.finish();
  hashes.finish();
}

Json write_prediction(const Prediction& prediction) {
  Json peaks = Json::object();
  for (const auto& [tier, bytes] : prediction.peak_bytes) peaks[tier] = bytes;
  Json json = {{"step_seconds", prediction.step_seconds},
               {"tokens_per_second", prediction.tokens_per_second},
               {"exposed_communication_seconds", prediction.exposed_communication_seconds},
               {"peak_bytes", peaks},
               {"tasks", prediction.tasks}};
  if (prediction.bubble_seconds > 0) json["bubble_seconds"] = prediction.bubble_seconds;
  if (prediction.exposed_transfer_seconds > 0) json["exposed_transfer_seconds"] = prediction.exposed_transfer_seconds;
  if (prediction.lower_bound_seconds > 0) {
    json["lower_bound_seconds"] = prediction.lower_bound_seconds;
    json["gap"] = prediction.gap;
  }
  if (!prediction.made_for.empty()) json["made_for"] = prediction.made_for;
  return json;
}

Json write_decisions(const std::vector<Decision>& decisions) {
  Json list = Json::array();
  for (const Decision& decision : decisions) {
    Json losers = Json::array();
    for (const Alternative& loser : decision.runners_up) {
      losers.push_back({{"choice", loser.choice}, {"step_seconds", loser.step_seconds}, {"reason", loser.reason}});
    }
    list.push_back({{"what", decision.what}, {"choice", decision.choice}, {"runners_up", losers}});
  }
  return list;
}

Json write_placement(const std::vector<ExpertPlacement>& layers) {
  Json list = Json::array();
  for (const ExpertPlacement& layer : layers) {
    list.push_back({{"slots_per_rank", layer.slots_per_rank}, {"slot_to_expert", layer.slot_to_expert}});
  }
  return list;
}

Json write_elastic(const Elastic& elastic) {
  Json json = Json::object();
  if (!elastic.sequences_per_rank.empty()) json["sequences_per_rank"] = elastic.sequences_per_rank;
  for (const Team& team : elastic.teams) json["teams"].push_back({{"tasks", team.tasks}, {"ranks", team.ranks}});
  return json;
}

}  // namespace

ExpertStorage read_expert_storage(const Field& field) {
  ExpertStorage storage;
  if (!field.present()) return storage;
  ObjectReader reader = field.object();
  storage.home = reader["home"].choice(kTierNames, storage.home);
  storage.cache_entries = reader["cache_entries"].integer(kNotNegativeCount, storage.cache_entries);
  storage.threshold = reader["threshold"].number(kNotNegative, storage.threshold);
  storage.decay = reader["decay"].number({0, 1}, storage.decay);
  storage.period = reader["period"].integer(kNotNegativeCount, storage.period);
  storage.flush_period = reader["flush_period"].integer(kNotNegativeCount, storage.flush_period);
  reader.finish();
  return storage;
}

Plan read_plan(const Json& json, const std::string& file, const std::string& pointer) {
  ObjectReader reader = open_document(json, file, pointer, "plan");
  Plan plan;
  plan.name = reader["name"].text("");
  plan.layout = read_layout(reader["layout"].object());
  plan.dispatch = read_dispatch(reader["dispatch"]);
  plan.gradient_bucket_bytes = reader["gradient_bucket_bytes"].bytes(kBytesRange, 0);
  plan.fused_parameter_bytes = reader["fused_parameter_bytes"].bytes(kBytesRange, 0);
  plan.prefetch = read_prefetch(reader["prefetch"]);
  plan.expert_storage = read_expert_storage(reader["expert_storage"]);
  plan.embedding = reader["embedding"].choice(kEmbeddingNames, plan.embedding);
  if (const Field layers = reader["placement"]; layers.present()) plan.placement = layers.objects(read_placement);
  plan.elastic = read_elastic(reader["elastic"]);
  plan.prediction = read_prediction(reader["prediction"]);
  if (const Field decisions = reader["decisions"]; decisions.present())
    plan.decisions = decisions.objects(read_decision);
  plan.seed = reader["seed"].seed(0);
  plan.evaluations = reader["evaluations"].integer(kNotNegativeCount, 0);
  plan.interrupted = reader["interrupted"].boolean(false);
  read_documents(reader["documents"].object(), reader["hashes"], plan);
  reader.finish();
  check_plan(plan, file);
  // An untouched file may lack keys that this version writes: then its text vouches for it, as the plan would not.
  std::string& made_for = plan.prediction.made_for;
  if (!made_for.empty() && made_for == predicted_hash(json)) made_for = predicted_hash(write_plan(plan));
  return plan;
}

Json write_plan(const Plan& plan) {
  const Json documents = {{"model", write_model(plan.model)},
                          {"cluster", write_cluster(plan.cluster)},
                          {"workload", write_workload(plan.workload)},
                          {"routing", write_routing(plan.routing)},
                          {"profile", write_profile(plan.profile)}};
  Json hashes = Json::object();
  for (const auto& [name, document] : documents.items()) hashes[name] = document_hash(document);
  return {{"kind", "moesaic.plan/1"},
          {"name", plan.name},
          {"layout", write_layout(plan.layout)},
          {"dispatch",
           {{"kind", kDispatchNames[static_cast<size_t>(plan.dispatch.kind)]},
            {"capacity_factor", plan.dispatch.capacity_factor},
            {"all_to_all", kAllToAllNames[static_cast<size_t>(plan.dispatch.all_to_all)]},
            {"chunks", plan.dispatch.chunks}}},
          {"gradient_bucket_bytes", plan.gradient_bucket_bytes},
          {"fused_parameter_bytes", plan.fused_parameter_bytes},
          {"prefetch", {{"dense", plan.prefetch.dense}, {"experts", plan.prefetch.experts}}},
          {"expert_storage", write_expert_storage(plan.expert_storage)},
          {"embedding", kEmbeddingNames[static_cast<size_t>(plan.embedding)]},
          {"placement", write_placement(plan.placement)},
          {"elastic", write_elastic(plan.elastic)},
          {"prediction", write_prediction(plan.prediction)},
          {"decisions", write_decisions(plan.decisions)},
          {"seed", plan.seed},
          {"evaluations", plan.evaluations},
          {"interrupted", plan.interrupted},
          {"documents", documents},
          {"hashes", hashes}};
}

}  // namespace moesaic
