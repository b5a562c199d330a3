#include "executor/runtime/lanes/arriving_counts.h"

#include <algorithm>

namespace moesaic::executor {

void ArrivingCounts::fetch(TaskIndex task, Lane lane, const Operand& counts) {
  HostMemory memory(backend_, counts.bytes());
  backend_.copy(lane, memory.as<int32_t>(), counts.data, counts.bytes());
  on_the_way_.push_back({task, std::move(memory), counts.elements(), backend_.record(lane)});
}

std::optional<ArrivingCounts::Counts> ArrivingCounts::take() {
  const auto arrived = std::find_if(on_the_way_.begin(), on_the_way_.end(),
                                    [this](const Counts& counts) { return backend_.done(counts.arrived); });
  if (arrived == on_the_way_.end()) return std::nullopt;
  Counts counts = std::move(*arrived);
  on_the_way_.erase(arrived);
  return counts;
}

}  // namespace moesaic::executor
