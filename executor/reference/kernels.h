#pragma once
// The reference's kernels by family, and their table: the truth under every operator that a device has. They read a
// task's operands as doubles and write results in what the operands store.
// It is not fast and not for use outside tests.

#include <span>

#include "executor/launch/kernel_table.h"

namespace moesaic::executor::reference {

/// It keeps nothing from launch to launch.
struct Stateless {};
using ReferenceKernel = Kernel<Stateless>;

std::span<const ReferenceKernel> dense_kernels();  // outside the MoE layer
std::span<const ReferenceKernel> router_kernels();
std::span<const ReferenceKernel> row_mover_kernels();
std::span<const ReferenceKernel> einsum_kernels();
std::span<const ReferenceKernel> expert_kernels();
std::span<const ReferenceKernel> update_kernels();  // adamw, clear, replicas

const KernelTable<Stateless>& kernels();

}  // namespace moesaic::executor::reference
