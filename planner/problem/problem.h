#pragma once
// What the planner is asked: the documents, what is fixed beforehand, how long to search. It holds no search state.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "core/plan/partial_plan.h"

namespace moesaic::planner {

/// Decisions that the user or a preset has taken; the planner takes the others.
struct Fixed : PartialPlan {
  std::string preset;                    // its name, "" without
  std::optional<std::string> placement;  // a policy of placement/policies.h
};

/// Where the documents of a problem stand, for those who say what is wrong with them; "" where nobody knows.
struct DocumentFiles {
  std::string model, cluster, workload, routing, preset;
};

struct Problem {
  DocumentFiles files;
  Model model;
  Cluster cluster;
  Workload workload;
  RoutingDocument routing;
  Profile profile;
  Fixed fixed;
  int ranks = 0;        // 0: every device of the cluster
  int64_t effort = 60;  // plans that the evaluator may be asked for
  uint64_t seed = 0;
  std::function<bool()> stop = [] {
    return false;
  };  // asked between evaluations: time is up, or the user has had enough
  std::function<void(int64_t done, int64_t effort, double best_step_seconds)> progress = [](int64_t, int64_t, double) {
  };
};

/// A layout in words, with what a plan gives up for memory: "4 ranks, ep 4, 1 microbatch, recompute, experts in host
/// memory".
std::string describe_layout(const Plan& plan);

}  // namespace moesaic::planner
