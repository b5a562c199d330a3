#pragma once
// Rows per expert on their way from the device to the host, which has to know them before it goes on with the layer.
// What they mean TaskRouting knows.

#include <optional>
#include <span>
#include <vector>

#include "executor/backend/host_memory.h"

namespace moesaic::executor {

class ArrivingCounts {
 public:
  explicit ArrivingCounts(Backend& backend) : backend_(backend) {}

  struct Counts {
    TaskIndex task;  // that made them
    HostMemory memory;
    int64_t elements;
    Event arrived;

    std::span<const int32_t> values() const { return {memory.as<int32_t>(), static_cast<size_t>(elements)}; }
  };

  /// Appends the copy to the lane.
  void fetch(TaskIndex task, Lane lane, const Operand& counts);
  /// The first that have arrived, which are the caller's from now on; never waits.
  std::optional<Counts> take();

 private:
  Backend& backend_;
  std::vector<Counts> on_the_way_;
};

}  // namespace moesaic::executor
