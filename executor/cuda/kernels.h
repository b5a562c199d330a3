#pragma once
// The GPU's operators by family, for its kernel table. Each appends to the stream that it is given, and reads a task's
// operands by the names of core/operators.

#include <span>

#include "executor/cuda/attention.h"
#include "executor/cuda/linear.h"
#include "executor/cuda/stream.h"
#include "executor/launch/kernel_table.h"

namespace moesaic::executor::cuda {

struct CudaKernels {
  Linear& linear;
  Attention& attention;
  Stream stream;
};
using CudaKernel = Kernel<CudaKernels>;

std::span<const CudaKernel> dense_kernels();  // outside the MoE layer
std::span<const CudaKernel> attention_kernels();
std::span<const CudaKernel> router_kernels();
std::span<const CudaKernel> row_mover_kernels();
std::span<const CudaKernel> einsum_kernels();
std::span<const CudaKernel> expert_kernels();
std::span<const CudaKernel> update_kernels();  // adamw, clear

/// Sets an operand to zero.
void set_to_zero(const Operand& operand, Stream stream);

}  // namespace moesaic::executor::cuda
