#include "planner/problem/preset.h"

#include <array>
#include <nlohmann/json.hpp>

#include "core/schema/object_reader.h"
#include "planner/placement/policies.h"

namespace moesaic::planner {
namespace {

constexpr std::array<const char*, 2> kDispatchNames = {"ragged", "padded"};
constexpr std::array<const char*, 2> kAllToAllNames = {"flat", "hierarchical_2d"};

void read_layout(const Field& field, Fixed& fixed) {
  if (!field.present()) return;
  ObjectReader layout = field.object();
  if (const Field ep = layout["ep"]; ep.present()) fixed.ep = static_cast<int>(ep.integer(kCount));
  if (const Field n = layout["micro_batches"]; n.present()) fixed.micro_batches = static_cast<int>(n.integer(kCount));
  if (const Field zero = layout["zero"]; zero.present()) fixed.zero = static_cast<int>(zero.integer({0, 3}));
  layout.finish();
}

/// Fused all-gathers and their prefetch exist where weights are divided.
void read_dense_weights(ObjectReader& preset, Fixed& fixed) {
  const bool divided = fixed.zero == 3;
  const Field fused = preset["fused_parameter_bytes"], prefetch = preset["prefetch"];
  for (const Field* field : {&fused, &prefetch})
    if (field->present() && !divided) field->refuse("is for weights that ZeRO-3 divides", "layout.zero 3");
  if (fused.present()) fixed.fused_parameter_bytes = fused.bytes(kBytesRange);
  if (!prefetch.present()) return;
  ObjectReader layers = prefetch.object();
  if (const Field dense = layers["dense"]; dense.present())
    fixed.prefetch_dense = static_cast<int>(dense.integer({0, 1 << 16}));
  layers.finish();
}

void read_dispatch(const Field& field, Fixed& fixed) {
  if (!field.present()) return;
  ObjectReader dispatch = field.object();
  if (const Field kind = dispatch["kind"]; kind.present())
    fixed.dispatch = static_cast<DispatchKind>(kind.choice(kDispatchNames));
  if (const Field factor = dispatch["capacity_factor"]; factor.present())
    fixed.capacity_factor = factor.number(kNotNegative);
  if (const Field algorithm = dispatch["all_to_all"]; algorithm.present())
    fixed.all_to_all = static_cast<AllToAllKind>(algorithm.choice(kAllToAllNames));
  if (const Field chunks = dispatch["chunks"]; chunks.present())
    fixed.chunks = static_cast<int>(chunks.integer({1, 64}));
  const bool padded = fixed.dispatch == DispatchKind::padded, capacity = fixed.capacity_factor.value_or(0) > 0;
  if (padded != capacity)
    field.refuse(padded ? "is padded without a capacity" : "has a capacity but is not padded",
                 "kind padded with a capacity_factor above 0, or neither");
  dispatch.finish();
}

}  // namespace

Fixed read_preset(const Json& json, const std::string& file) {
  ObjectReader preset = open_document(json, file, "", "preset");
  Fixed fixed;
  fixed.preset = preset["name"].text();
  preset["note"].text("");
  read_layout(preset["layout"], fixed);
  read_dispatch(preset["dispatch"], fixed);
  read_dense_weights(preset, fixed);
  if (const Field bucket = preset["gradient_bucket_bytes"]; bucket.present())
    fixed.gradient_bucket_bytes = bucket.bytes(kBytesRange);
  if (const Field policy = preset["placement"]; policy.present()) {
    std::vector<const char*> names;
    for (const std::string& name : placement_policies()) names.push_back(name.c_str());
    fixed.placement = placement_policies()[policy.choice(names)];
  }
  preset.finish();
  return fixed;
}

}  // namespace moesaic::planner
