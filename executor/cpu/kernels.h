#pragma once
// The CPU's kernels by family, for its kernel table. They read a task's operands by the names of core/operators.

#include <span>

#include "executor/cpu/precision.h"
#include "executor/cpu/rounded_weights.h"
#include "executor/launch/kernel_table.h"

namespace moesaic::executor::cpu {

using CpuKernel = Kernel<RoundedWeights>;

std::span<const CpuKernel> dense_kernels();  // outside the MoE layer
std::span<const CpuKernel> router_kernels();
std::span<const CpuKernel> row_mover_kernels();
std::span<const CpuKernel> einsum_kernels();
std::span<const CpuKernel> expert_kernels();
std::span<const CpuKernel> update_kernels();  // adamw, clear

/// Of a task's matrix products.
inline Precision precision_of(const Task& task) { return task.dtype == DType::bf16 ? Precision::bf16 : Precision::f32; }

/// Sets an operand to zero.
void set_to_zero(const Operand& operand);

}  // namespace moesaic::executor::cpu
