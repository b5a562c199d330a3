#pragma once
// Sums of the gradients of one step, in f32 on the host, of expert slots that had rows. It does not know where they
// come from.

#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "core/schema/exact_squares.h"
#include "executor/runtime/residency/peak_bytes.h"
#include "executor/runtime/residency/slot_states.h"

namespace moesaic::executor {

class GradientSums {
 public:
  /// `host`, which must outlive it, counts its memory.
  GradientSums(const SlotLayout& layout, PeakBytes& host) : layout_(layout), host_(host) {}

  /// [elements of the parameter], f32 or bf16.
  void add(int moe_layer, int slot, size_t parameter, const void* gradient, DType dtype);
  /// Of a slot to which something has been added.
  SlotGradients of(int moe_layer, int slot) const;
  void clear(int moe_layer);

  using MoeSlot = std::pair<int, int>;  // MoE layer, slot
  /// The first parameter of the layer, by slot and parameter, that has no finite square. `squares`, where given, gains
  /// those of the slots that count, unless there is such a one.
  std::optional<size_t> find_non_finite(int moe_layer, ExactSquares* squares, const std::set<MoeSlot>& counted) const;

 private:
  float* sum_of(int moe_layer, int slot, size_t parameter);

  const SlotLayout layout_;
  PeakBytes& host_;
  std::map<int, std::map<int, std::vector<float>>> sums_;  // MoE layer -> slot -> parameters, one behind the other
};

}  // namespace moesaic::executor
