#pragma once
// Tables of the angles of rotary positions on the device, computed in double on the host as the CPU room does.
// It turns nothing.

#include <cstdint>
#include <map>

#include "executor/cuda/stream.h"

namespace moesaic::executor::cuda {

class RotaryAngles {
 public:
  RotaryAngles() = default;
  ~RotaryAngles();
  RotaryAngles(const RotaryAngles&) = delete;
  RotaryAngles& operator=(const RotaryAngles&) = delete;

  /// cos and sin of each pair's angle, [>= positions, 2, head_dim / 2]. Kept for later calls; makes the stream wait for
  /// its copy where it grows.
  const float* get(int64_t positions, int64_t head_dim, Stream stream);

 private:
  struct Table {
    float* data = nullptr;
    int64_t positions = 0;
  };
  std::map<int64_t, Table> tables_;  // by head_dim
};

}  // namespace moesaic::executor::cuda
