#include "executor/cuda/rotary_angles.h"

#include <cmath>
#include <vector>

#include "executor/cuda/cuda_check.h"

namespace moesaic::executor::cuda {
namespace {

std::vector<float> angles(int64_t positions, int64_t head_dim, double theta) {
  const int64_t half = head_dim / 2;
  std::vector<float> table(static_cast<size_t>(positions * head_dim));
  for (int64_t i = 0; i < half; ++i) {
    const double frequency = std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(head_dim));
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
  for (const auto& [key, tables] : tables_)
    for (const Table& table : tables) (void)cudaFree(table.data);
}

const float* RotaryAngles::get(int64_t positions, int64_t head_dim, double theta, Stream stream) {
  std::vector<Table>& tables = tables_[{head_dim, theta}];
  if (!tables.empty() && tables.back().positions >= positions) return tables.back().data;
  const std::vector<float> values = angles(positions, head_dim, theta);
  const size_t bytes = values.size() * sizeof(float);
  float* data = nullptr;
  CUDA_CHECK(cudaMalloc(reinterpret_cast<void**>(&data), bytes));
  tables.push_back({data, positions});
  CUDA_CHECK(cudaMemcpyAsync(data, values.data(), bytes, cudaMemcpyHostToDevice, stream));
  CUDA_CHECK(cudaStreamSynchronize(stream));
  return data;
}

}  // namespace moesaic::executor::cuda
