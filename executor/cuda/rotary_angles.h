#pragma once
// Tables of the angles of rotary positions on the device, computed in double on the host as the CPU room does.
// It turns nothing.

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "executor/cuda/stream.h"

namespace moesaic::executor::cuda {

class RotaryAngles {
 public:
  RotaryAngles() = default;
  ~RotaryAngles();
  RotaryAngles(const RotaryAngles&) = delete;
  RotaryAngles& operator=(const RotaryAngles&) = delete;

  /// cos and sin of each pair's angle, [>= positions, 2, head_dim / 2]. A longer table is made when it is asked for,
  /// and the host waits for its copy; the shorter ones stay, for a captured graph may hold their addresses.
  const float* get(int64_t positions, int64_t head_dim, double theta, Stream stream);

 private:
  struct Table {
    float* data = nullptr;
    int64_t positions = 0;
  };
  std::map<std::pair<int64_t, double>, std::vector<Table>> tables_;  // by head_dim and theta, each longer than the last
};

}  // namespace moesaic::executor::cuda
