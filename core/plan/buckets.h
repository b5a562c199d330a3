#pragma once
// Which collectives of dense tensors are fused into one: decisions of a plan.

#include "core/plan/fields_of.h"
#include "core/schema/units.h"

namespace moesaic {

/// A base of the plan's choices: its keys stand in the plan document itself.
struct Buckets {
  Bytes gradient_bucket_bytes = 0;  // 0: one collective per parameter tensor
  Bytes fused_parameter_bytes = 0;  // ZeRO-3: largest group that one all-gather carries; 0: each parameter alone
  bool operator==(const Buckets&) const = default;
};

template <>
const FieldTable<Buckets>& fields_of<Buckets>();

}  // namespace moesaic
