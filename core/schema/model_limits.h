#pragma once
// The ranges of a model's dimensions and the checks across them, shared by both model readers. No default values live
// here.

#include "core/schema/model.h"
#include "core/schema/object_reader.h"

namespace moesaic {

constexpr IntegerRange kLayers{1, 10000};
constexpr IntegerRange kHidden{1, 1 << 20};
constexpr IntegerRange kIntermediate{1, 1 << 22};
constexpr IntegerRange kHeads{1, 1 << 16};
constexpr IntegerRange kExperts{1, 1 << 16};
/// Of one source or of all to one expert: sums over both stay within 64 bits, and every count is an exact double.
constexpr IntegerRange kRoutedRows{0, int64_t{1} << 40};
constexpr IntegerRange kWindow{1, 1 << 30};
constexpr IntegerRange kVocabulary{1, 1 << 26};

/// Refuses what no single range can: top_k above the experts, heads that do not group, more than 10^15 parameters, no
/// MoE layer.
void check_model(const Model& model, const ObjectReader& reader);

}  // namespace moesaic
