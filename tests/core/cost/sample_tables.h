#pragma once
// A small GPU and tables whose every figure is a known multiple of the base.

#include <cmath>

#include "core/cost/table_prices.h"

namespace moesaic {

inline Device sample_gpu() {
  Device device;
  device.name = "GPU";
  device.memory_bandwidth_bytes_per_s = 1e12;
  device.peak_f32_flops_per_s = 1e13, device.peak_bf16_flops_per_s = 1e14;
  return device;
}

/// Tables without kernels, of that GPU.
inline KernelTables sample_tables(const std::string& name = "gpu") {
  const Device gpu = sample_gpu();
  KernelTables tables;
  tables.name = name, tables.device = gpu.name;
  tables.memory_bandwidth_bytes_per_s = gpu.memory_bandwidth_bytes_per_s;
  tables.peak_f32_flops_per_s = gpu.peak_f32_flops_per_s, tables.peak_bf16_flops_per_s = gpu.peak_bf16_flops_per_s;
  return tables;
}

/// Products at n = k = 64, 256, 1024 and rows 1, 16, 256. The floor of the base is 0.9 of the least time, so the times
/// are those of a base with that floor: measured = factor (0.9 least + work), whose least is factor (0.9 least + work
/// of the first point).
inline KernelTable products_table(double factor) {
  KernelTable table;
  table.op = "linear";
  table.axes = {{"rows", {1, 16, 256}}, {"n", {64, 256, 1024}}, {"k", {64, 256, 1024}}};
  const TableBase base{sample_gpu()};
  const auto work = [&](int64_t rows, int64_t n, int64_t k) {
    OpShape shape;
    shape.n = n, shape.k = k;
    return 1e6 * base.seconds(Op::linear, DType::bf16, DType::bf16, shape, rows, 0);
  };
  const double least = factor * work(1, 64, 64) / (1 - 0.9 * factor);
  for (const int64_t rows : table.axes[0].values)
    for (const int64_t n : table.axes[1].values)
      for (const int64_t k : table.axes[2].values)
        table.microseconds.push_back(factor * (0.9 * least + work(rows, n, k)));
  return table;
}

}  // namespace moesaic
