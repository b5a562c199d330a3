#pragma once
// Which numbered event is which device event, and which have passed. A lane runs in order, so an event that has passed
// takes all earlier ones of its lane with it. It asks no device.

#include <array>
#include <deque>
#include <optional>
#include <vector>

#include "executor/backend/backend.h"
#include "executor/cuda/stream.h"

namespace moesaic::executor::cuda {

class EventLedger {
 public:
  /// Numbers the event that was recorded as `handle`: 1, 2, 3, ... over all lanes.
  Event add(Lane lane, DeviceEventHandle handle);
  /// The handle of an event, or null when it has passed. Throws InvariantError for a number that was never given.
  DeviceEventHandle pending(Event event) const;
  std::optional<Event> oldest(Lane lane) const;
  /// Notes that `event` has passed, with all earlier ones of its lane; their handles are free again.
  std::vector<DeviceEventHandle> pass(Event event);

 private:
  struct Entry {
    Event event;
    DeviceEventHandle handle;
  };
  std::array<std::deque<Entry>, kNumLanes> pending_;  // per lane, numbers ascending
  Event next_ = 1;
};

}  // namespace moesaic::executor::cuda
