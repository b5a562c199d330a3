#include "cli/what_if.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "cli/edited_profile.h"
#include "cli/edits.h"
#include "cli/unfelt_edits.h"
#include "core/plan/choice_fields.h"
#include "core/plan/plan_document.h"
#include "core/schema/documents.h"
#include "core/schema/error.h"
#include "planner/problem/preset.h"

namespace moesaic::cli {
namespace {

/// With what a training run does by default: no clipping, no warm-up.
Json workload_with_all_keys(const Workload& workload) {
  Json json = write_workload(workload);
  if (!json.contains("optimizer")) return json;
  json["optimizer"].emplace("max_gradient_norm", 0.0);
  json["optimizer"].emplace("schedule", Json{{"decay", "constant"}, {"warmup_steps", 0}});
  return json;
}

/// The figures of a profile that are no curves.
constexpr std::pair<const char*, double Profile::*> kProfileFigures[] = {
    {"task_overhead_s", &Profile::task_overhead_s},
    {"launch_interval_s", &Profile::launch_interval_s},
    {"collective_slowdown", &Profile::collective_slowdown},
    {"neighbour_slowdown", &Profile::neighbour_slowdown},
    {"assumed_flops_efficiency", &Profile::assumed_flops_efficiency},
    {"assumed_bandwidth_efficiency", &Profile::assumed_bandwidth_efficiency}};

Json profile_figures(const Profile& profile) {
  Json json = Json::object();
  for (const auto& [key, figure] : kProfileFigures) json[key] = profile.*figure;
  json["fused_optimizer"] = profile.fused_optimizer;
  return json;
}

NamedDocuments documents_of(const Cluster& cluster, const Workload& workload, const Profile& profile) {
  NamedDocuments documents;
  documents.emplace_back("cluster", write_cluster_in_full(cluster));
  documents.emplace_back("workload", workload_with_all_keys(workload));
  documents.emplace_back("profile", profile_figures(profile));
  return documents;
}

NamedDocuments documents_of(const Plan& plan) {
  NamedDocuments documents = documents_of(plan.cluster, plan.workload, plan.profile);
  Json own = write_plan(plan);
  own.erase("documents");
  own.erase("hashes");
  documents.emplace_back("plan", std::move(own));
  return documents;
}

/// The three documents of a problem after their edits; curves follow the cluster's rates.
struct Edited {
  Cluster cluster;
  Workload workload;
  Profile profile;
};

Edited read_edited(NamedDocuments& documents, const Cluster& before, const Profile& profile) {
  Edited edited{read_cluster(document_named(documents, "cluster"), "--set, cluster"),
                read_workload(document_named(documents, "workload"), "--set, workload"), profile};
  Json changed = write_profile(profile);
  changed.update(document_named(documents, "profile"));
  edited.profile = with_edited_rates(read_profile(changed, "--set, profile"), before, edited.cluster);
  return edited;
}

/// An edit that leaves what was there is a question misunderstood.
void check_changed(const std::vector<EditedKey>& edited, const NamedDocuments& before, const NamedDocuments& after) {
  for (const EditedKey& key : edited) {
    const Json *was = value_of(key, before), *is = value_of(key, after);
    if (was != nullptr && is != nullptr && *was == *is)
      throw InputError("--set " + key.key, "", "changes nothing: it is " + was->dump() + " already", "another value");
  }
}

[[noreturn]] void refuse_unfelt(const std::string& key, const Unfelt& reason) {
  throw InputError("--set " + key, "", "changes nothing: " + reason.why, "", reason.remedy);
}

/// Idle nodes and devices need no link, so more of them are judged before a cluster that has none for them is refused.
void check_idle(const std::vector<EditedKey>& edited, const Json& cluster, const Plan& plan) {
  Plan grown = plan;
  const auto grow = [&](const char* key, int& count) {
    const Json& value = cluster["nodes"][key];
    constexpr int64_t kMost = 1 << 20;
    const bool grows = value.is_number_integer() && value > count && value <= kMost;
    if (grows) count = value.get<int>();
    return grows;
  };
  const bool more_nodes = grow("count", grown.cluster.num_nodes);
  const bool larger_nodes = grow("devices_per_node", grown.cluster.devices_per_node);
  for (const EditedKey& found : edited)
    if ((found.key == "nodes.count" && more_nodes) || (found.key == "nodes.devices_per_node" && larger_nodes))
      if (const std::optional<Unfelt> reason = unfelt(found.key, plan, grown)) refuse_unfelt(found.key, *reason);
}

/// An edit that no simulation can feel is refused rather than answered with the old figures.
void check_felt(const std::vector<EditedKey>& edited, const Plan& before, const Plan& after) {
  check_changed(edited, documents_of(before), documents_of(after));
  for (const EditedKey& key : edited)
    if (const std::optional<Unfelt> reason = unfelt(key.key, before, after)) refuse_unfelt(key.key, *reason);
}

/// The decisions that a preset may fix, all open.
Json open_decisions() {
  Json decisions = Json::object();
  for (const auto& field : choice_fields())
    if (field.fixable) value_in(decisions, field) = nullptr;
  decisions["placement"] = nullptr;  // a policy
  return decisions;
}

/// What is open is not said.
void drop_open(Json& decisions) {
  for (auto entry = decisions.begin(); entry != decisions.end();) {
    if (entry->is_object()) drop_open(*entry);
    const bool open = entry->is_null() || (entry->is_object() && entry->empty());
    entry = open ? decisions.erase(entry) : std::next(entry);
  }
}

}  // namespace

Plan with_edits(const Plan& plan, const std::vector<std::string>& edits) {
  if (edits.empty()) return plan;
  const Json document = write_plan(plan);
  NamedDocuments documents = documents_of(plan);
  std::vector<EditedKey> keys;
  for (const std::string& text : edits) keys.push_back(put(parse_edit(text), documents));
  check_idle(keys, document_named(documents, "cluster"), plan);
  const Edited edited = read_edited(documents, plan.cluster, plan.profile);
  Json& own = document_named(documents, "plan");
  own["documents"] = document["documents"];
  own["documents"]["cluster"] = write_cluster(edited.cluster);
  own["documents"]["workload"] = write_workload(edited.workload);
  own["documents"]["profile"] = write_profile(edited.profile);
  own["hashes"] = document["hashes"];
  for (const char* name : {"cluster", "workload", "profile"})
    own["hashes"][name] = document_hash(own["documents"][name]);
  Plan after = read_plan(own, "--set");
  check_felt(keys, plan, after);
  return after;
}

void edit_problem(planner::Problem& problem, Json preset, const std::string& file,
                  const std::vector<std::string>& edits) {
  NamedDocuments documents = documents_of(problem.cluster, problem.workload, problem.profile);
  Json decisions = open_decisions();
  decisions.merge_patch(preset);
  documents.emplace_back("decisions", std::move(decisions));
  const NamedDocuments before = documents;
  std::vector<EditedKey> keys;
  for (const std::string& text : edits) keys.push_back(put(parse_edit(text), documents));
  check_changed(keys, before, documents);
  Edited edited = read_edited(documents, problem.cluster, problem.profile);
  problem.cluster = std::move(edited.cluster);
  problem.workload = std::move(edited.workload);
  problem.profile = std::move(edited.profile);
  drop_open(document_named(documents, "decisions"));
  problem.fixed = planner::read_preset(document_named(documents, "decisions"), file);
}

}  // namespace moesaic::cli
