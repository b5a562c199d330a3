#pragma once
// Which keys of a plan and its documents the simulation of that plan cannot feel, and why. It applies no edit.

#include <optional>
#include <string>

#include "core/plan/plan.h"

namespace moesaic::cli {

struct Unfelt {
  std::string why, remedy;
};

/// Why an edit of the dotted key leaves every figure of the simulation as it was, whatever its value; nothing where it
/// may change one.
std::optional<Unfelt> unfelt(const std::string& key, const Plan& before, const Plan& after);

}  // namespace moesaic::cli
