#include "executor/cuda/event_ledger.h"

#include <algorithm>

#include "core/schema/error.h"

namespace moesaic::executor::cuda {
namespace {

template <typename Entries>
auto find_event(Entries& entries, Event event) {
  const auto at = std::lower_bound(entries.begin(), entries.end(), event,
                                   [](const auto& entry, Event number) { return entry.event < number; });
  return at != entries.end() && at->event == event ? at : entries.end();
}

}  // namespace

Event EventLedger::add(Lane lane, DeviceEventHandle handle) {
  pending_[static_cast<size_t>(lane)].push_back({next_, handle});
  return next_++;
}

DeviceEventHandle EventLedger::pending(Event event) const {
  MOESAIC_CHECK(event > 0 && event < next_, "event " + std::to_string(event) + " was never recorded");
  for (const auto& entries : pending_)
    if (const auto at = find_event(entries, event); at != entries.end()) return at->handle;
  return nullptr;
}

std::optional<Event> EventLedger::oldest(Lane lane) const {
  const auto& entries = pending_[static_cast<size_t>(lane)];
  if (entries.empty()) return std::nullopt;
  return entries.front().event;
}

std::vector<DeviceEventHandle> EventLedger::pass(Event event) {
  std::vector<DeviceEventHandle> free;
  for (auto& entries : pending_) {
    if (find_event(entries, event) == entries.end()) continue;
    while (!entries.empty() && entries.front().event <= event) {
      free.push_back(entries.front().handle);
      entries.pop_front();
    }
  }
  return free;
}

}  // namespace moesaic::executor::cuda
