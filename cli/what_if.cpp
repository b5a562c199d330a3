#include "cli/what_if.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/edited_profile.h"
#include "cli/unfelt_edits.h"
#include "core/plan/plan_document.h"
#include "core/schema/documents.h"
#include "core/schema/error.h"
#include "core/schema/nearest_name.h"

namespace moesaic::cli {
namespace {

struct Edit {
  std::string key, value;
  bool multiply = false;
};

Edit parse_edit(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0)
    throw InputError("--set " + text, "", "is no edit", "KEY=VALUE or KEY*=FACTOR");
  const bool multiply = text[equals - 1] == '*';
  return {text.substr(0, equals - (multiply ? 1 : 0)), text.substr(equals + 1), multiply};
}

Json::json_pointer pointer_of(std::string key) {
  if (key.find('~') != std::string::npos) throw InputError("--set " + key, "", "is no key", "a key such as layout.ep");
  for (char& c : key)
    if (c == '.') c = '/';
  return Json::json_pointer("/" + key);
}

/// Appends each key once: an edit takes the first document that has it.
void list_keys(const Json& json, const std::string& prefix, std::vector<std::string>& keys) {
  for (const auto& [key, value] : json.items()) {
    if (value.is_object())
      list_keys(value, prefix + key + ".", keys);
    else if (!value.is_array() && std::find(keys.begin(), keys.end(), prefix + key) == keys.end())
      keys.push_back(prefix + key);
  }
}

/// With the keys of links that a document leaves out where they are 0.
Json cluster_with_all_keys(const Cluster& cluster) {
  Json json = write_cluster(cluster);
  for (const char* name : {"intra_node", "nic"}) {
    if (!json["links"].contains(name)) continue;
    json["links"][name].emplace("message_s", 0.0);
    json["links"][name].emplace("packet_bytes", 0);
  }
  return json;
}

/// The new value: JSON where it parses as such ("12", "true"), else text ("flat", "50 GB/s").
Json value_of(const Edit& edit, const Json& old) {
  if (!edit.multiply) {
    Json value = Json::parse(edit.value, nullptr, false);
    return value.is_discarded() ? Json(edit.value) : value;
  }
  char* end = nullptr;
  const double factor = std::strtod(edit.value.c_str(), &end);
  if (!old.is_number() || edit.value.empty() || *end != '\0' || !std::isfinite(factor) ||
      std::abs(old.get<double>() * factor) > 9e18)
    throw InputError("--set " + edit.key + "*=" + edit.value, "", "does not multiply a number by a finite number",
                     "for example links.nic.bandwidth_bytes_per_s*=2");
  if (old.is_number_integer()) return static_cast<int64_t>(std::llround(old.get<double>() * factor));
  return old.get<double>() * factor;
}

/// A key with the document that it was found in: 0 the cluster, 1 the workload, 2 the plan's own keys.
struct Found {
  std::string key;
  size_t home;
};
using Homes = std::array<Json, 3>;

Homes homes_of(const Plan& plan) {
  Json own = write_plan(plan);
  own.erase("documents");
  own.erase("hashes");
  return {cluster_with_all_keys(plan.cluster), write_workload(plan.workload), std::move(own)};
}

[[noreturn]] void refuse_unknown(const std::string& key, Homes homes) {
  std::vector<std::string> keys;
  for (const char* outcome : {"prediction", "evaluations", "interrupted"}) homes[2].erase(outcome);
  for (Json& home : homes) {
    for (const char* identity : {"kind", "name", "source"}) home.erase(identity);
    list_keys(home, "", keys);
  }
  throw InputError("--set " + key, "", "is no key of the plan's cluster, workload or decisions", "",
                   suggestion(key, keys));
}

Found put(const Edit& edit, Homes& homes) {
  const Json::json_pointer pointer = pointer_of(edit.key);
  for (size_t home = 0; home < homes.size(); ++home) {
    if (!homes[home].contains(pointer)) continue;
    homes[home][pointer] = value_of(edit, homes[home][pointer]);
    return {edit.key, home};
  }
  refuse_unknown(edit.key, homes);
}

[[noreturn]] void refuse_unfelt(const std::string& key, const Unfelt& reason) {
  throw InputError("--set " + key, "", "changes nothing: " + reason.why, "", reason.remedy);
}

/// Idle nodes and devices need no link, so more of them are judged before a cluster that has none for them is refused.
void check_idle(const std::vector<Found>& edited, const Json& cluster, const Plan& plan) {
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
  for (const Found& found : edited)
    if ((found.key == "nodes.count" && more_nodes) || (found.key == "nodes.devices_per_node" && larger_nodes))
      if (const std::optional<Unfelt> reason = unfelt(found.key, plan, grown)) refuse_unfelt(found.key, *reason);
}

/// An edit that changes no figure is a question misunderstood: it is refused rather than answered with the old figures.
void check_felt(const std::vector<Found>& edited, const Plan& before, const Plan& after) {
  const Homes old_homes = homes_of(before), new_homes = homes_of(after);
  for (const auto& [key, home] : edited) {
    const Json::json_pointer pointer = pointer_of(key);
    if (new_homes[home].contains(pointer) && new_homes[home][pointer] == old_homes[home][pointer])
      throw InputError("--set " + key, "", "changes nothing: it is " + old_homes[home][pointer].dump() + " already",
                       "another value");
    if (const std::optional<Unfelt> reason = unfelt(key, before, after)) refuse_unfelt(key, *reason);
  }
}

}  // namespace

Plan with_edits(const Plan& plan, const std::vector<std::string>& edits) {
  if (edits.empty()) return plan;
  const Json document = write_plan(plan);
  Homes homes = homes_of(plan);
  std::vector<Found> found;
  for (const std::string& text : edits) found.push_back(put(parse_edit(text), homes));
  check_idle(found, homes[0], plan);
  const Cluster cluster = read_cluster(homes[0], "--set, cluster");
  Json& own = homes[2];
  own["documents"] = document["documents"];
  own["documents"]["cluster"] = write_cluster(cluster);
  own["documents"]["workload"] = write_workload(read_workload(homes[1], "--set, workload"));
  own["documents"]["profile"] = write_profile(with_edited_rates(plan.profile, plan.cluster, cluster));
  own["hashes"] = document["hashes"];
  for (const char* name : {"cluster", "workload", "profile"})
    own["hashes"][name] = document_hash(own["documents"][name]);
  Plan edited = read_plan(own, "--set");
  check_felt(found, plan, edited);
  return edited;
}

}  // namespace moesaic::cli
