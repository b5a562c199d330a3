#include "core/plan/plan_document.h"

#include <nlohmann/json.hpp>

#include "core/plan/choice_fields.h"
#include "core/plan/predicted.h"

namespace moesaic {
namespace {

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

}  // namespace

Plan read_plan(const Json& json, const std::string& file, const std::string& pointer) {
  ObjectReader reader = open_document(json, file, pointer, "plan");
  Plan plan;
  plan.name = reader["name"].text("");
  read_fields<PlanChoices>(reader, choice_fields(), plan, Reading::whole);
  plan.prediction = read_prediction(reader["prediction"]);
  plan.decisions = read_decisions(reader["decisions"]);
  plan.seed = reader["seed"].seed(0);
  plan.evaluations = reader["evaluations"].integer({0, std::numeric_limits<int64_t>::max()}, 0);
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
  Json json = {{"kind", "moesaic.plan/1"}, {"name", plan.name}};
  write_fields<PlanChoices>(choice_fields(), plan, json);
  json["prediction"] = write_prediction(plan.prediction);
  json["decisions"] = write_decisions(plan.decisions);
  json["seed"] = plan.seed;
  json["evaluations"] = plan.evaluations;
  json["interrupted"] = plan.interrupted;
  json["documents"] = documents;
  json["hashes"] = hashes;
  return json;
}

}  // namespace moesaic
