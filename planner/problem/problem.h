#pragma once
// What the planner is asked: the documents, what is fixed beforehand, how long to search. It holds no search state.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "core/plan/plan.h"

namespace moesaic::planner {

/// Decisions that the user or a preset has taken; the planner takes the others.
struct Fixed {
  std::string preset;  // its name, "" without
  std::optional<int> ep, micro_batches, chunks;
  std::optional<int> tp, expert_slices;
  // Of training only.
  std::optional<int> zero, pp, prefetch_dense, prefetch_experts;
  std::optional<Recompute> recompute;
  std::optional<ExpertStorage> expert_storage;
  std::optional<Embedding> embedding;
  std::optional<DispatchKind> dispatch;
  std::optional<double> capacity_factor;
  std::optional<AllToAllKind> all_to_all;
  std::optional<Bytes> gradient_bucket_bytes, fused_parameter_bytes;
  std::optional<std::string> placement;  // a policy of placement/policies.h
};

struct Problem {
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

/// A candidate in words: "ep 8, 1 microbatch, ZeRO-3", "4 chunks".
std::string describe_layout(const Layout& layout);
/// The same with what a plan gives up for memory: "ep 8, 1 microbatch, ZeRO-3, recompute, experts in host memory".
std::string describe_layout(const Plan& plan);
std::string describe_bucket(Bytes bytes);

}  // namespace moesaic::planner
