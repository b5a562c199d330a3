#include "cli/what_if.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "cli/edited_profile.h"
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

void list_keys(const Json& json, const std::string& prefix, std::vector<std::string>& keys) {
  for (const auto& [key, value] : json.items()) {
    if (value.is_object())
      list_keys(value, prefix + key + ".", keys);
    else if (!value.is_array())
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

}  // namespace

Plan with_edits(const Plan& plan, const std::vector<std::string>& edits) {
  if (edits.empty()) return plan;
  Json document = write_plan(plan);
  Json own = document;
  own.erase("documents");
  own.erase("hashes");
  Json cluster = cluster_with_all_keys(plan.cluster), workload = write_workload(plan.workload);
  Plan edited = plan;
  for (const std::string& text : edits) {
    const Edit edit = parse_edit(text);
    const Json::json_pointer pointer = pointer_of(edit.key);
    Json* home = cluster.contains(pointer)    ? &cluster
                 : workload.contains(pointer) ? &workload
                 : own.contains(pointer)      ? &own
                                              : nullptr;
    if (home == nullptr) {
      std::vector<std::string> keys;
      Json decisions = own;
      for (const char* outcome : {"prediction", "evaluations", "interrupted"}) decisions.erase(outcome);
      for (Json* candidate : {&cluster, &workload, &decisions}) {
        for (const char* identity : {"kind", "name", "source"}) candidate->erase(identity);
        list_keys(*candidate, "", keys);
      }
      throw InputError("--set " + edit.key, "", "is no key of the plan's cluster, workload or decisions", "",
                       suggestion(edit.key, keys));
    }
    (*home)[pointer] = value_of(edit, (*home)[pointer]);
  }
  edited.cluster = read_cluster(cluster, "--set, cluster");
  edited.workload = read_workload(workload, "--set, workload");
  own["documents"] = document["documents"];
  own["documents"]["cluster"] = write_cluster(edited.cluster);
  own["documents"]["workload"] = write_workload(edited.workload);
  own["documents"]["profile"] = write_profile(with_edited_rates(plan.profile, plan.cluster, edited.cluster));
  own["hashes"] = document["hashes"];
  own["hashes"]["cluster"] = document_hash(own["documents"]["cluster"]);
  own["hashes"]["workload"] = document_hash(own["documents"]["workload"]);
  own["hashes"]["profile"] = document_hash(own["documents"]["profile"]);
  return read_plan(own, "--set");
}

}  // namespace moesaic::cli
