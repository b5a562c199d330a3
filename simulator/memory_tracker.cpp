#include "simulator/memory_tracker.h"

#include <tuple>

#include "core/graph/stages.h"

namespace moesaic::simulator {

MemoryTracker::MemoryTracker(const TaskGraph& graph, RowTable& rows, const std::vector<StepProgram>& programs,
                             const RankClasses& classes, bool keep_samples)
    : graph_(graph), rows_(rows), programs_(programs), keep_samples_(keep_samples) {
  std::vector<Bytes> resident;
  for (int stage = 0; stage < graph.num_stages; ++stage) {
    stages_.push_back(lists_of(stage));
    resident.push_back(resident_bytes(graph, Tier::device, stage));
  }
  for (int of_class = 0; of_class < classes.num_classes(); ++of_class) {
    OfClass& own = classes_.emplace_back();
    own.rank = classes.representative(of_class);
    const auto stage = static_cast<size_t>(graph.stage_of(own.rank));
    own.stage = &stages_[stage];
    own.live = resident[stage];
    for (const StageLists::List& list : own.stage->lists) own.bytes.push_back(bytes_of_list(list, own.rank));
    if (own.live >= peak_.bytes) rise(own, 0);
    if (keep_samples_) samples_.push_back({own.rank, 0, own.live});
  }
}

MemoryTracker::StageLists MemoryTracker::lists_of(int stage) const {
  const StepProgram& program = programs_[static_cast<size_t>(stage)];
  const Liveness liveness = liveness_of(graph_, stage);
  StageLists stage_lists{{}, {}, {{}}};
  using Size = std::tuple<int32_t, DType, int64_t>;  // what binds the rows, elements of a row
  std::map<std::pair<Bytes, std::vector<Size>>, int32_t> known{{{0, {}}, 0}};
  const auto number_of = [&](const std::vector<TensorId>& tensors) {
    StageLists::List list;
    std::vector<Size> sizes;
    for (const TensorId tensor : tensors) {
      const Tensor& shape = graph_.tensors[tensor];
      if (rows_.binding(tensor) < 0) {
        list.fixed += bytes_of(shape.dtype, shape.fixed_rows * shape.row_elements);
        continue;
      }
      list.bound.push_back(tensor);
      sizes.emplace_back(rows_.binding(tensor), shape.dtype, shape.row_elements);
    }
    const auto [entry, is_new] = known.try_emplace({list.fixed, std::move(sizes)}, std::ssize(stage_lists.lists));
    if (is_new) stage_lists.lists.push_back(std::move(list));
    return entry->second;
  };
  for (StepProgram::Local task = 0; task < program.num_tasks(); ++task) {
    stage_lists.created.push_back(number_of(liveness.created[program.task(task)]));
    stage_lists.released.push_back(number_of(liveness.released[program.task(task)]));
  }
  return stage_lists;
}

Bytes MemoryTracker::bytes_of_list(const StageLists::List& list, int rank) {
  Bytes bytes = list.fixed;
  for (const TensorId tensor : list.bound) bytes += rows_.bytes(tensor, rank);
  return bytes;
}

void MemoryTracker::rise(const OfClass& own, Seconds now) {
  const bool first = now < peak_.time || (now == peak_.time && own.rank < peak_.rank);
  if (own.live > peak_.bytes || first) peak_ = {own.live, own.rank, now};
}

TensorId MemoryTracker::largest_at_peak(std::span<const TaskTime> times) {
  const int stage = graph_.stage_of(peak_.rank);
  const Liveness own = liveness_of(graph_, stage);
  OfTensors<bool> lives(graph_.tensors.size());
  const std::vector<bool> elsewhere = held_elsewhere(graph_, stage);
  for (size_t i = 0; i < lives.size(); ++i)
    lives[i] = graph_.tensors[i].kind != TensorKind::activation && graph_.tensors[i].view_of < 0 && !elsewhere[i];
  for (const TaskTime& time : times)
    for (const TensorId tensor : own.created[time.task]) lives[tensor] = time.start <= peak_.time;
  for (const TaskTime& time : times)
    for (const TensorId tensor : own.released[time.task])
      if (time.end < peak_.time) lives[tensor] = false;
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
