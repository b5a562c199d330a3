#pragma once
// A preset is a partial plan in JSON: the decisions of one published system. Reading is as strict as for documents.

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "core/schema/documents.h"
#include "planner/problem/problem.h"

namespace moesaic::planner {

/// Keys, all but `kind` and `name` optional: layout.{ep, micro_batches, zero}, dispatch.{kind, capacity_factor,
/// all_to_all, chunks}, gradient_bucket_bytes, fused_parameter_bytes and prefetch.dense (ZeRO-3 only), placement (a
/// policy of placement/policies.h), note. Throws InputError.
Fixed read_preset(const Json& json, const std::string& file);

}  // namespace moesaic::planner
