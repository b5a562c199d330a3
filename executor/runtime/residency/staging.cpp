#include "executor/runtime/residency/staging.h"

#include <cstring>

#include "executor/cpu/bfloat16.h"

namespace moesaic::executor {

WeightsToDevice::~WeightsToDevice() {
  for (const Staged& staged : staged_)
    while (!backend_.done(staged.copied)) {
    }
}

void WeightsToDevice::send(Lane lane, void* to, DType dtype, const float* from, int64_t elements) {
  const Bytes bytes = bytes_of(dtype, elements);
  if (backend_.runs_inline() && dtype == DType::f32) return backend_.copy(lane, to, from, bytes);
  HostMemory memory(backend_, bytes);
  if (dtype == DType::bf16)
    cpu::round_to_bf16(from, memory.as<BFloat16>(), elements);
  else
    std::memcpy(memory.data(), from, static_cast<size_t>(bytes));
  backend_.copy(lane, to, memory.data(), bytes);
  staged_.push_back({std::move(memory), backend_.record(lane)});
}

void WeightsToDevice::release_done() {
  std::erase_if(staged_, [this](const Staged& staged) { return backend_.done(staged.copied); });
}

Bytes GradientsFromDevice::start(Lane lane, int moe_layer, std::span<const Operand> gradients) {
  moe_layer_ = moe_layer;
  Bytes all = 0;
  const std::span<const int> slots = gradients.front().slots;  // of all alike
  for (size_t row = 0; row < slots.size(); ++row)
    for (size_t p = 0; p < kSlotParameters; ++p) {
      const Bytes bytes = bytes_of(gradients[p].dtype, layout_.elements[p]);
      const void* data = gradients[p].as<std::byte>() + static_cast<Bytes>(row) * bytes;
      all += bytes;
      if (!backend_.runs_inline()) {
        staging_.emplace_back(backend_, bytes);
        backend_.copy(lane, staging_.back().data(), data, bytes);
        data = staging_.back().data();
      }
      parts_.push_back({slots[row], p, data, gradients[p].dtype});
    }
  copied_ = backend_.record(lane);
  return all;
}

bool GradientsFromDevice::finish(GradientSums& sums) {
  if (!backend_.done(copied_)) return false;
  for (const Part& part : parts_) sums.add(moe_layer_, part.slot, part.parameter, part.data, part.dtype);
  parts_.clear();
  staging_.clear();
  return true;
}

}  // namespace moesaic::executor
