#pragma once
// How the assumptions in a step's prices are said: as a key of --json and as lines for people. It finds none.

#include <string>

#include "core/cost/assumptions.h"
#include "core/schema/documents.h"

namespace moesaic::cli {

/// [{"what", "value", "tasks" where counted, "origin"}]
Json assumptions_json(const std::vector<Assumption>& assumptions);
/// One line for each kind of task that assumptions stand for. "" without any.
std::string assumptions_text(const std::vector<Assumption>& assumptions);

}  // namespace moesaic::cli
