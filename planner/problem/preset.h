#pragma once
// A preset is a partial plan in JSON: the decisions of one published system. Reading is as strict as for documents.

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "core/schema/documents.h"
#include "core/schema/object_reader.h"
#include "planner/problem/problem.h"

namespace moesaic::planner {

/// The decisions among the keys of an object, all optional: layout.{ep, micro_batches, zero, pp, tp, expert_slices,
/// recompute}, dispatch.{kind, capacity_factor, all_to_all, chunks}, expert_storage, embedding, gradient_bucket_bytes,
/// fused_parameter_bytes and prefetch.dense (ZeRO-3 only), prefetch.experts (experts off the device only), placement (a
/// policy of placement/policies.h). Throws InputError.
Fixed read_fixed(ObjectReader& reader);

/// Those keys beside `kind`, `name` and, optional, `note`.
Fixed read_preset(const Json& json, const std::string& file);

}  // namespace moesaic::planner
