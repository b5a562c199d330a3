#include "planner/problem/preset.h"

#include <nlohmann/json.hpp>

#include "core/plan/plan_fields.h"
#include "planner/placement/policies.h"

namespace moesaic::planner {
namespace {

void read_layout(const Field& field, Fixed& fixed) {
  if (!field.present()) return;
  ObjectReader layout = field.object();
  const auto read = [&](const char* key, IntegerRange range, std::optional<int>& decision) {
    if (const Field value = layout[key]; value.present()) decision = static_cast<int>(value.integer(range));
  };
  read("ep", kCount, fixed.ep);
  read("micro_batches", kCount, fixed.micro_batches);
  read("zero", {0, 3}, fixed.zero);
  read("pp", {1, 1 << 16}, fixed.pp);
  read("tp", {1, 1 << 16}, fixed.tp);
  read("expert_slices", {1, 1 << 16}, fixed.expert_slices);
  if (const Field recompute = layout["recompute"]; recompute.present())
    fixed.recompute = static_cast<Recompute>(recompute.choice(kRecomputeNames));
  layout.finish();
}

/// Fused all-gathers and their prefetch exist where weights are divided, prefetch of experts where they live elsewhere.
void read_states(ObjectReader& preset, Fixed& fixed) {
  if (const Field storage = preset["expert_storage"]; storage.present())
    fixed.expert_storage = read_expert_storage(storage);
  if (const Field embedding = preset["embedding"]; embedding.present())
    fixed.embedding = static_cast<Embedding>(embedding.choice(kEmbeddingNames));
  if (const Field fused = preset["fused_parameter_bytes"]; fused.present()) {
    if (fixed.zero != 3) fused.refuse("is for weights that ZeRO-3 divides", "layout.zero 3");
    fixed.fused_parameter_bytes = fused.bytes(kBytesRange);
  }
  const Field prefetch = preset["prefetch"];
  if (!prefetch.present()) return;
  ObjectReader layers = prefetch.object();
  const auto read = [&](const char* key, bool needed, const char* problem, const char* remedy, std::optional<int>& to) {
    const Field value = layers[key];
    if (!value.present()) return;
    if (!needed) value.refuse(problem, remedy);
    to = static_cast<int>(value.integer({0, 1 << 16}));
  };
  read("dense", fixed.zero == 3, "is for weights that ZeRO-3 divides", "layout.zero 3", fixed.prefetch_dense);
  read("experts", fixed.expert_storage && fixed.expert_storage->home != Tier::device,
       "is for experts that live off the device", "expert_storage.home host or storage", fixed.prefetch_experts);
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

Fixed read_fixed(ObjectReader& reader) {
  Fixed fixed;
  read_layout(reader["layout"], fixed);
  read_dispatch(reader["dispatch"], fixed);
  read_states(reader, fixed);
  if (const Field bucket = reader["gradient_bucket_bytes"]; bucket.present())
    fixed.gradient_bucket_bytes = bucket.bytes(kBytesRange);
  if (const Field policy = reader["placement"]; policy.present()) {
    std::vector<const char*> names;
    for (const std::string& name : placement_policies()) names.push_back(name.c_str());
    fixed.placement = placement_policies()[policy.choice(names)];
  }
  return fixed;
}

Fixed read_preset(const Json& json, const std::string& file) {
  ObjectReader preset = open_document(json, file, "", "preset");
  const std::string name = preset["name"].text();
  preset["note"].text("");
  Fixed fixed = read_fixed(preset);
  fixed.preset = name;
  preset.finish();
  return fixed;
}

}  // namespace moesaic::planner
