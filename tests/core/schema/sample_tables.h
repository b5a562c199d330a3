#pragma once
// A table of every kind with two points, for tests of reading.

#include "core/schema/kernel_tables.h"

namespace moesaic::testing {

inline KernelTables sample_tables() {
  KernelTables tables;
  tables.name = "gpu", tables.device = "GPU", tables.package = "a package", tables.licence = "Apache-2.0";
  tables.memory_bandwidth_bytes_per_s = 4.8e12;
  tables.peak_f32_flops_per_s = 67e12, tables.peak_bf16_flops_per_s = 989e12;
  tables.peak_fp8_flops_per_s = 1979e12, tables.peak_fp4_flops_per_s = 5e15;
  tables.multiprocessors = 132;
  tables.kernels = {
      {"linear", DType::bf16, DType::fp8, "gemm", {{"heads", 4}}, {128, 256}, {{"rows", {1, 8}}}, {12.35, 0}},
      {"attention", DType::bf16, DType::bf16, "attention", {}, {}, {{"rows", {1}}}, {3}}};
  tables.experts = {{DType::bf16, DType::fp4, true, 64, 32, 4, "moe", {{"balanced", {8, 16}, {1, 1}, {3, 4}, {5, 6}}}}};
  return tables;
}

}  // namespace moesaic::testing
