#include "executor/cuda/rotary_angles.h"

#include <cmath>
#include <utility>
#include <vector>

#include "executor/cuda/cuda_check.h"

namespace moesaic::executor::cuda {
namespace {

constexpr double kBase = 10000.0;  // RoFormer, arXiv 2104.09864

std::vector<float> angles(int64_t positions, int64_t head_dim) {
  const int64_t half = head_dim / 2;
  std::vector<float> table(static_cast<size_t>(positions * head_dim));
  for (int64_t i = 0; i < half; ++i) {
    const double frequency = std::pow(kBase, -2.0 * static_cast<double>(i) / static_cast<double>(head_dim));
    for (int64_t p = 0; p < positions; ++p) {
      const double angle = static_cast<double>(p) * frequency;
      table[static_cast<size_t>(p * head_dim + i)] = static_cast<float>(std::cos(angle));
      table[static_cast<size_t>(p * head_dim + half + i)] = static_cast<float>(std::sin(angle));
    }
  }
  return table;
}

}  // namespace

RotaryAngles::~RotaryAngles() {
  for (const auto& [head_dim, table] : tables_) (void)cudaFree(table.data);
}

const float* RotaryAngles::get(int64_t positions, int64_t head_dim, Stream stream) {
  Table& table = tables_[head_dim];
  if (table.positions >= positions) return table.data;
  CUDA_CHECK(cudaFree(std::exchange(table, {}).data));  // waits for the device, so no kernel loses its angles
  const std::vector<float> values = angles(positions, head_dim);
  const size_t bytes = values.size() * sizeof(float);
  CUDA_CHECK(cudaMalloc(reinterpret_cast<void**>(&table.data), bytes));
  CUDA_CHECK(cudaMemcpyAsync(table.data, values.data(), bytes, cudaMemcpyHostToDevice, stream));
  CUDA_CHECK(cudaStreamSynchronize(stream));
  table.positions = positions;
  return table.data;
}

}  // namespace moesaic::executor::cuda
