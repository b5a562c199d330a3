#pragma once
// What documents call the decisions of a plan: the plan document and presets, which fix some of them, share it. It
// reads no whole document.

#include "core/plan/plan.h"
#include "core/schema/object_reader.h"

namespace moesaic {

// In the order of the enumerations.
inline constexpr const char* kDispatchNames[] = {"ragged", "padded"};
inline constexpr const char* kAllToAllNames[] = {"flat", "hierarchical_2d"};
inline constexpr const char* kRecomputeNames[] = {"none", "full", "communication_aware"};
inline constexpr const char* kTierNames[] = {"device", "host", "storage"};
inline constexpr const char* kEmbeddingNames[] = {"replicated", "column_partition"};

/// All defaults where the field is absent.
ExpertStorage read_expert_storage(const Field& field);

}  // namespace moesaic
