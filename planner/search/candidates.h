#pragma once
// The choices of each decision below the layout. A choice is a named change of a plan.

#include <functional>
#include <string>
#include <vector>

#include "planner/problem/problem.h"

namespace moesaic::planner {

/// Pieces of a MoE layer, and slots per rank for replicas, that are tried at most.
inline constexpr int kMostChunks = 8, kMostReplicaSlots = 1;

struct Choice {
  std::string name;
  std::function<void(Plan&)> apply;
  std::string refusal;  // why it cannot be tried; "" when it can
};

struct DecisionSpace {
  std::string what;             // "expert placement", "gradient buckets", "chunks", "all-to-all"
  std::vector<Choice> choices;  // baselines first
};

/// Choices that fit this plan's layout, with the user's fixed decisions applied (one choice then).
std::vector<DecisionSpace> decision_spaces(const Problem& problem, const Plan& plan);

/// Whether two plans for the same documents decide alike.
bool same_decisions(const Plan& a, const Plan& b);

/// The plan with the choice of every decision, but the placement, that leaves no other one: of what is fixed, and of
/// what its layout decides.
Plan with_forced_choices(const Problem& problem, Plan plan);

/// The plan with the first placement that can be made for its layout.
Plan placed_anew(const Problem& problem, Plan plan);

/// The baseline of a layout: the plan with the first choice of every decision that can be tried.
Plan with_baseline_choices(const Problem& problem, Plan plan);

}  // namespace moesaic::planner
