#pragma once
// The choices of each decision below the layout. A choice is a named change of a plan.

#include <functional>
#include <string>
#include <vector>

#include "planner/problem.h"

namespace moesaic::planner {

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

}  // namespace moesaic::planner
