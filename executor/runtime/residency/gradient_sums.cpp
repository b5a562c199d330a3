#include "executor/runtime/residency/gradient_sums.h"

#include "core/schema/bfloat16.h"
#include "executor/cpu/finite.h"

namespace moesaic::executor {

void GradientSums::add(int moe_layer, int slot, size_t parameter, const void* gradient, DType dtype) {
  float* sum = sum_of(moe_layer, slot, parameter);
  const int64_t n = layout_.elements[parameter];
  if (dtype == DType::bf16)
    for (int64_t i = 0; i < n; ++i) sum[i] += to_float(static_cast<const BFloat16*>(gradient)[i]);
  else
    for (int64_t i = 0; i < n; ++i) sum[i] += static_cast<const float*>(gradient)[i];
}

float* GradientSums::sum_of(int moe_layer, int slot, size_t parameter) {
  auto [entry, fresh] = sums_[moe_layer].try_emplace(slot);
  if (fresh) {
    entry->second.resize(static_cast<size_t>(layout_.weights()), 0.0f);
    host_.add(bytes_of(DType::f32, layout_.weights()));
  }
  return entry->second.data() + (parameter == 0 ? 0 : layout_.elements[0]);
}

SlotGradients GradientSums::of(int moe_layer, int slot) const {
  const float* sums = sums_.at(moe_layer).at(slot).data();
  return {sums, sums + layout_.elements[0]};
}

void GradientSums::clear(int moe_layer) {
  host_.remove(static_cast<Bytes>(sums_[moe_layer].size()) * bytes_of(DType::f32, layout_.weights()));
  sums_[moe_layer].clear();
}

std::optional<size_t> GradientSums::find_non_finite(int moe_layer, ExactSquares* squares,
                                                    const std::set<MoeSlot>& counted) const {
  const auto slots = sums_.find(moe_layer);
  if (slots == sums_.end()) return std::nullopt;
  for (const auto& [slot, sums] : slots->second) {
    const int64_t at = cpu::find_non_finite_square(sums.data(), static_cast<int64_t>(sums.size()),
                                                   counted.contains({moe_layer, slot}) ? squares : nullptr);
    if (at >= 0) return at < layout_.elements[0] ? size_t{0} : size_t{1};
  }
  return std::nullopt;
}

}  // namespace moesaic::executor
