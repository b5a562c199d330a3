#pragma once
// The CPU as a device: every launch runs inline on the calling thread. One per rank.

#include <map>
#include <unordered_map>
#include <vector>

#include "executor/backend/inline_backend.h"
#include "executor/cpu/rounded_weights.h"
#include "executor/launch/kernel_table.h"

namespace moesaic::executor::cpu {

class CpuBackend : public InlineBackend {
 public:
  CpuBackend() = default;
  ~CpuBackend() override;
  CpuBackend(const CpuBackend&) = delete;
  CpuBackend& operator=(const CpuBackend&) = delete;

  std::string name() const override { return "cpu"; }
  void* allocate(Bytes bytes, Lane first_user = Lane::compute) override;
  void release(void* data, LaneSet users = LaneSet::all()) override;
  void launch(const Launch& launch) override;
  void copy(Lane lane, void* to, const void* from, Bytes bytes) override;
  void clear(Lane lane, void* data, Bytes bytes) override;
  NonFinite find_non_finite(std::span<const Operand> operands, ExactSquares* squares) override;

  static const KernelTable<RoundedWeights>& kernels();

 private:
  // Released memory by size class. A step releases and allocates much the same sizes again; giving them back to the
  // system in between would cost a page fault per 4 KiB, which took a third of a step.
  std::map<size_t, std::vector<void*>> free_;  // size class -> blocks
  std::unordered_map<void*, size_t> class_of_;
  RoundedWeights rounded_;
};

}  // namespace moesaic::executor::cpu
