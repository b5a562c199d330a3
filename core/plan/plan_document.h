#pragma once
// Reading and writing of the plan document. It checks what it reads; it decides nothing.

#include "core/plan/plan.h"
#include "core/schema/documents.h"

namespace moesaic {

/// Ends with check_plan. Errors as of the readers of core/schema/documents.h.
Plan read_plan(const Json& json, const std::string& file, const std::string& pointer = "");

/// read_plan(write_plan(plan)) == plan.
Json write_plan(const Plan& plan);

}  // namespace moesaic
