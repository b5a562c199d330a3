#pragma once
// A preset is a partial plan in JSON: the decisions of one published system. Reading is as strict as for documents.

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "core/schema/documents.h"
#include "core/schema/object_reader.h"
#include "planner/problem/problem.h"

namespace moesaic::planner {

/// The decisions among the keys of an object, all optional: what a plan decides, under its names (docs/plan_fields.md),
/// and placement (a policy of placement/policies.h). Throws InputError.
Fixed read_fixed(ObjectReader& reader);

/// Those keys beside `kind`, `name` and, optional, `note`.
Fixed read_preset(const Json& json, const std::string& file);

}  // namespace moesaic::planner
