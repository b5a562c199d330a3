#pragma once
// A row of the paper's table, read from the shipped documents. It is no result.

#include <nlohmann/json.hpp>

#include "core/cost/plain_cost_model.h"
#include "core/schema/documents.h"
#include "planner/problem/preset.h"

namespace moesaic::experiments::testing {

inline Json shipped(const std::string& path) { return read_json(MOESAIC_SOURCE_DIR "/" + path); }

inline planner::Fixed preset(const std::string& name) {
  const std::string path = "planner/presets/" + name + ".json";
  return planner::read_preset(shipped(path), path);
}

/// For example ("13.9b", "1x8", "8").
inline planner::Problem paper_row(const std::string& model, const std::string& shape, const std::string& gpus) {
  planner::Problem row;
  row.model = read_model(shipped("profiles/models/semoe-" + model + ".json"), "model", "");
  row.cluster = read_cluster(shipped("profiles/clusters/a100-80g-" + shape + ".json"), "cluster", "");
  row.workload = read_workload(shipped("profiles/workloads/semoe-training-" + gpus + ".json"), "workload", "");
  row.routing = read_routing(shipped("profiles/routing/uniform.json"), "routing", "");
  row.profile = plain_profile(row.cluster);
  return row;
}

}  // namespace moesaic::experiments::testing
