#include "executor/runtime/residency/state_mirror.h"

#include <algorithm>

#include "executor/cpu/bfloat16.h"

namespace moesaic::executor {

float* StateMirror::data(TensorId tensor) {
  const Operand operand = tensors_.resident(tensor);
  if (tensors_.backend().runs_inline() && operand.dtype == DType::f32) return operand.f32();
  auto [copy, fresh] = copies_.try_emplace(tensor);
  if (fresh) copy->second.resize(static_cast<size_t>(operand.elements()), 0.0f);
  return copy->second.data();
}

void StateMirror::fetch() {
  for (auto& [tensor, copy] : copies_) {
    if (tensors_.resident(tensor).dtype == DType::f32) {
      tensors_.read(tensor, copy.data(), bytes_of(DType::f32, static_cast<int64_t>(copy.size())));
      continue;
    }
    std::vector<BFloat16> rounded(copy.size());
    tensors_.read(tensor, rounded.data(), bytes_of(DType::bf16, static_cast<int64_t>(rounded.size())));
    std::transform(rounded.begin(), rounded.end(), copy.begin(), [](BFloat16 x) { return to_float(x); });
  }
}

void StateMirror::store() {
  for (const auto& [tensor, copy] : copies_) {
    if (tensors_.resident(tensor).dtype == DType::f32) {
      tensors_.write(tensor, copy.data(), bytes_of(DType::f32, static_cast<int64_t>(copy.size())));
      continue;
    }
    std::vector<BFloat16> rounded(copy.size());
    cpu::round_to_bf16(copy.data(), rounded.data(), static_cast<int64_t>(copy.size()));
    tensors_.write(tensor, rounded.data(), bytes_of(DType::bf16, static_cast<int64_t>(rounded.size())));
  }
}

}  // namespace moesaic::executor
