#include "simulator/memory_tracker.h"

#include "core/graph/stages.h"

namespace moesaic::simulator {

MemoryTracker::MemoryTracker(const TaskGraph& graph, RowTable& rows, bool keep_samples)
    : graph_(graph), rows_(rows), keep_samples_(keep_samples) {
  for (int stage = 0; stage < graph.num_stages; ++stage) {
    liveness_.push_back(liveness_of(graph, stage));
    live_.resize(live_.size() + static_cast<size_t>(graph.num_ranks / graph.num_stages),
                 resident_bytes(graph, Tier::device, stage));
    if (live_.back() > peak_.bytes) peak_ = {live_.back(), stage * (graph.num_ranks / graph.num_stages), 0};
  }
  if (!keep_samples_) return;
  for (int rank = 0; rank < graph.num_ranks; ++rank) samples_.push_back({rank, 0, live_[static_cast<size_t>(rank)]});
}

void MemoryTracker::change(Bytes delta, int rank, Seconds now) {
  if (delta == 0) return;
  Bytes& live = live_[static_cast<size_t>(rank)];
  live += delta;
  if (live > peak_.bytes) peak_ = {live, rank, now};
  if (keep_samples_) samples_.push_back({rank, now, live});
}

void MemoryTracker::task_starts(TaskIndex task, int rank, Seconds now) {
  Bytes bytes = 0;
  for (TensorId tensor : liveness(rank).created[task]) bytes += rows_.bytes(tensor, rank);
  change(bytes, rank, now);
}

void MemoryTracker::task_ends(TaskIndex task, int rank, Seconds now) {
  Bytes bytes = 0;
  for (TensorId tensor : liveness(rank).released[task]) bytes += rows_.bytes(tensor, rank);
  change(-bytes, rank, now);
}

TensorId MemoryTracker::largest_at_peak(const std::vector<Seconds>& starts, const std::vector<Seconds>& ends) {
  OfTensors<bool> lives(graph_.tensors.size());
  const Liveness& own = liveness(peak_.rank);
  const std::vector<bool> elsewhere = held_elsewhere(graph_, graph_.stage_of(peak_.rank));
  for (size_t i = 0; i < lives.size(); ++i)
    lives[i] = graph_.tensors[i].kind != TensorKind::activation && graph_.tensors[i].view_of < 0 && !elsewhere[i];
  for (size_t task = 0; task < starts.size(); ++task)
    for (TensorId tensor : own.created[task]) lives[tensor] = starts[task] <= peak_.time;
  for (size_t task = 0; task < ends.size(); ++task)
    for (TensorId tensor : own.released[task])
      if (ends[task] < peak_.time) lives[tensor] = false;
  TensorId largest = -1;
  Bytes largest_bytes = 0;
  for (size_t i = 0; i < lives.size(); ++i) {
    const bool here = lives[i] && graph_.tensors[i].tier == Tier::device;
    const Bytes bytes = here ? rows_.bytes(TensorId(i), peak_.rank) : 0;
    if (bytes > largest_bytes) largest = TensorId(i), largest_bytes = bytes;
  }
  return largest;
}

}  // namespace moesaic::simulator
