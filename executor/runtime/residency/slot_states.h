#pragma once
// The states of one expert slot in host memory, and how they stand there: of each parameter, up and down, [weights,
// first moments, second moments] in f32.

#include <array>
#include <memory>

#include "core/graph/task_graph.h"
#include "executor/store/aligned_buffer.h"

namespace moesaic::executor {

constexpr size_t kSlotParameters = 2;    // up, down
constexpr int64_t kStatesPerWeight = 3;  // the weight and both moments

struct SlotLayout {
  std::array<int64_t, kSlotParameters> elements{};  // of each parameter of one slot

  int64_t weights() const { return elements[0] + elements[1]; }
  int64_t states() const { return kStatesPerWeight * weights(); }
  Bytes bytes() const { return bytes_of(DType::f32, states()); }
  /// Of a parameter's weights among a slot's states; moments follow.
  int64_t offset(size_t parameter) const { return parameter == 0 ? 0 : kStatesPerWeight * elements[0]; }
};

struct SlotStates {
  AlignedBuffer memory;
  int64_t steps = 0;  // how many are applied

  float* data() const { return reinterpret_cast<float*>(memory.data()); }
};
using SharedStates = std::shared_ptr<SlotStates>;

/// [parameters]: a gradient of each parameter of a slot, or the sum of some.
using SlotGradients = std::array<const float*, kSlotParameters>;

}  // namespace moesaic::executor
