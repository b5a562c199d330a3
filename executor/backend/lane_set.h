#pragma once
// A set of a device's lanes.

#include <cstdint>

#include "core/graph/task_graph.h"

namespace moesaic::executor {

class LaneSet {
 public:
  constexpr LaneSet() = default;
  static constexpr LaneSet all() {
    LaneSet lanes;
    lanes.bits_ = (1u << kNumLanes) - 1;
    return lanes;
  }

  constexpr void add(Lane lane) { bits_ |= bit(lane); }
  constexpr bool has(Lane lane) const { return (bits_ & bit(lane)) != 0; }
  constexpr bool operator==(const LaneSet&) const = default;

 private:
  static constexpr uint32_t bit(Lane lane) { return 1u << static_cast<uint32_t>(lane); }

  uint32_t bits_ = 0;
};

}  // namespace moesaic::executor
