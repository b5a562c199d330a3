#include "core/format/vllm_loads.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/schema/documents.h"
#include "core/schema/error.h"
#include "core/schema/model_limits.h"

namespace moesaic {
namespace {

constexpr const char* kRecord = "eplb_load_stats";
constexpr IntegerRange kExpert{0, kExperts.most - 1};

/// Physical rows [layers, physical] -> logical ones [layers, experts].
LayerRows logical_rows(const LayerRows& physical, const Field& map) {
  std::vector<std::vector<int64_t>> experts;
  int64_t last = 0;
  if (map.size() != physical.size())
    map.refuse("has " + std::to_string(map.size()) + " layers", std::to_string(physical.size()) + " as expert_load");
  for (size_t layer = 0; layer < physical.size(); ++layer) {
    experts.push_back(map[layer].integers(kExpert));
    if (experts.back().size() != physical[layer].size())
      map[layer].refuse("has " + std::to_string(experts.back().size()) + " physical experts",
                        std::to_string(physical[layer].size()) + " as expert_load");
    last = std::max(last, *std::max_element(experts.back().begin(), experts.back().end()));
  }
  if (has_too_many_counts({1, static_cast<int64_t>(physical.size()), 1, last + 1}))
    map.refuse("names expert " + std::to_string(last) + " of " + std::to_string(physical.size()) + " layers",
               "at most " + std::to_string(kMostCounts) + " rows per expert");
  LayerRows rows(physical.size(), std::vector<int64_t>(static_cast<size_t>(last) + 1, 0));
  for (size_t layer = 0; layer < physical.size(); ++layer)
    for (size_t slot = 0; slot < experts[layer].size(); ++slot)
      rows[layer][static_cast<size_t>(experts[layer][slot])] += physical[layer][slot];
  return rows;
}

void add_record(const Json& json, const std::string& place, RoutingDocument& routing) {
  const Field line(&json, place, "");
  ObjectReader record = line.object();
  if (const std::string type = record["record_type"].text(); type != kRecord)
    record["record_type"].refuse("is \"" + type + "\"", std::string("\"") + kRecord + "\"",
                                 "give the file of load statistics, not that of a placement");
  constexpr IntegerRange kVersion{1, 1};
  record["version"].integer(kVersion);
  const LayerRows physical = read_layer_rows(record["expert_load"]);
  add_iteration(routing, logical_rows(physical, record["p2l_map"]), record["expert_load"]);
}

}  // namespace

ImportedRouting read_vllm_loads(const std::string& text, const std::string& file) {
  ImportedRouting imported{{}, {kNoSources}};
  std::istringstream lines(text);
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const std::string place = file + ":" + std::to_string(number);
    add_record(parse_json(line, place), place, imported.routing);
  }
  if (imported.routing.num_iterations == 0)
    throw InputError(file, "", "has no records", std::string("lines with \"record_type\": \"") + kRecord + "\"",
                     "record with expert_load_stats_path set");
  return imported;
}

}  // namespace moesaic
