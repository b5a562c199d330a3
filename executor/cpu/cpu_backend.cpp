#include "executor/cpu/cpu_backend.h"

#include <algorithm>
#include <bit>
#include <cstdlib>

#include "core/schema/error.h"
#include "executor/backend/large_pages.h"
#include "executor/cpu/finite.h"
#include "executor/cpu/kernels.h"

namespace moesaic::executor::cpu {

namespace {

/// Eight classes per power of two from 4 KiB on: at most an eighth is wasted. A multiple of 64 bytes, one cache line.
size_t size_class(Bytes bytes) {
  constexpr size_t kSmallestBlock = 4096;
  const auto size = static_cast<size_t>(std::max<Bytes>(bytes, 1));
  if (size <= kSmallestBlock) return kSmallestBlock;
  const size_t step = std::bit_floor(size) / 8;
  return (size + step - 1) / step * step;
}

}  // namespace

CpuBackend::~CpuBackend() {
  for (const auto& [size, blocks] : free_)
    for (void* block : blocks) std::free(block);
}

void* CpuBackend::allocate(Bytes bytes, Lane) {
  // Rows that routing decides differ from step to step: a block that is half as large again has been touched before,
  // a new one costs a page fault for every page.
  const size_t size = size_class(bytes);
  for (auto blocks = free_.lower_bound(size); blocks != free_.end() && blocks->first <= size + size / 2; ++blocks) {
    if (blocks->second.empty()) continue;
    void* data = blocks->second.back();
    blocks->second.pop_back();
    return data;
  }
  constexpr size_t kAlignment = 64;  // bytes: one cache line, one AVX-512 register
  void* data = allocate_in_large_pages(size, kAlignment);
  if (data == nullptr) throw DeviceError("cpu: no memory for " + format_bytes(static_cast<double>(bytes)));
  class_of_[data] = size;
  return data;
}

void CpuBackend::release(void* data, LaneSet) {
  if (data == nullptr) return;
  rounded_.forget(data, 1);
  free_[class_of_.at(data)].push_back(data);
}

void CpuBackend::copy(Lane lane, void* to, const void* from, Bytes bytes) {
  InlineBackend::copy(lane, to, from, bytes);
  rounded_.forget(to, bytes);
}

void CpuBackend::clear(Lane lane, void* data, Bytes bytes) {
  InlineBackend::clear(lane, data, bytes);
  rounded_.forget(data, bytes);
}

NonFinite CpuBackend::find_non_finite(std::span<const Operand> operands, ExactSquares* squares) {
  for (size_t i = 0; i < operands.size(); ++i)
    if (const int64_t element = find_non_finite_square(operands[i].f32(), operands[i].elements(), squares);
        element >= 0)
      return {static_cast<int>(i), element};
  return {};
}

const KernelTable<RoundedWeights>& CpuBackend::kernels() {
  static const KernelTable<RoundedWeights> table("cpu", {dense_kernels(), router_kernels(), row_mover_kernels(),
                                                         einsum_kernels(), expert_kernels(), update_kernels()});
  return table;
}

void CpuBackend::launch(const Launch& launch) { kernels().launch(launch, rounded_); }

}  // namespace moesaic::executor::cpu
