#include "executor/runtime/lanes/rank_step.h"

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "core/graph/operands.h"
#include "core/schema/error.h"

namespace moesaic::executor {
namespace {

Seconds now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

}  // namespace

RankStep::RankStep(const TaskGraph& graph, const Plan& plan, int rank, Backend& backend, Transport& transport,
                   TensorStore& tensors, const RankStepOptions& options)
    : graph_(graph),
      plan_(plan),
      backend_(backend),
      context_(make_step_context(graph, plan, rank)),
      tensors_(tensors),
      collectives_(graph, transport, rank, backend, options.device_groups),
      experts_(options.experts),
      gate_(options.gate),
      gate_task_(gate_ != nullptr ? gate_->task() : -1),
      order_(graph, backend),
      counts_(static_cast<size_t>(plan.layout.micro_batches) * graph.placement.size()),
      used_slots_(counts_.size()),
      busy_(backend),
      capture_(options.capture ? Capture::after_this_step : Capture::off) {}

/// Counts are still on their way where a step has ended by an exception.
RankStep::~RankStep() {
  for (const CountsInFlight& counts : arriving_) backend_.release_host(counts.host);
}

StepRecord RankStep::run(int64_t step, Watch& watch) {
  context_.step = step;
  context_.skip = false;
  record_ = {};
  record_.times.resize(graph_.tasks.size(), {.rank = -1});
  record_.expert_rows.resize(counts_.size() * static_cast<size_t>(plan_.model.num_experts));
  live_bytes_.clear();
  start_counts();
  order_.start_step();
  tensors_.start_step();
  backend_.settle();
  watch.wait(*control().barrier(kControlPerStep * step), "start of step " + std::to_string(step + 1));
  const Seconds start = now();
  busy_.works();
  start_captured();
  while (!order_.all_ended()) {
    // The network first: what it sends overlaps the operator that runs next. A collective that has just been started is
    // polled once more before that: a peer that has waited for it would otherwise wait for the operator as well.
    bool progress = finish_network();
    if (start_network()) {
      finish_network();
      progress = true;
    }
    progress |= advance_storage();
    progress |= finish_drain();
    progress |= bind_arrived_counts();
    progress |= append_next();
    if (progress) {
      watch.progress();
      continue;
    }
    busy_.rests();
    if (network_.operation)
      watch.idle(*network_.operation, graph_.tasks[static_cast<size_t>(network_.task)].label);
    else
      watch.check();
    const Seconds before = now();
    sched_yield();
    busy_.yielded(now() - before);
  }
  backend_.settle();
  if (capture_ == Capture::after_this_step) capture_ = Capture::now;
  record_.seconds = now() - start;
  record_.lost = busy_.take_lost();
  finish_record();
  for (TaskTime& time : record_.times) time.start -= start, time.end -= start;
  for (MemorySample& sample : record_.memory) sample.time -= start;
  watch.wait(*control().barrier(kControlPerStep * step + 1), "end of step " + std::to_string(step + 1));
  return std::move(record_);
}

/// The step before has left all memory that the captured tasks need with the backend, and shapes are what they were.
void RankStep::start_captured() {
  resident_bytes_ = tensors_.live_bytes();
  if (capture_ == Capture::now) capture_ = backend_.begin_capture() ? Capture::running : Capture::off;
  record_.captured = capture_ == Capture::running || capture_ == Capture::done;
  if (capture_ != Capture::done) return;
  backend_.replay();
  for (TaskIndex index = 0; index < gate_task_; ++index) {
    order_.taken(index);
    order_.ended(index);
  }
}

/// Nothing of this step has run yet.
void RankStep::finish_capture() {
  MOESAIC_CHECK(tensors_.live_bytes() == resident_bytes_, "an activation outlives the captured tasks");
  backend_.end_capture();
  backend_.replay();
  capture_ = Capture::done;
}

/// Memory as it was when each task ended, in the order of time.
void RankStep::finish_record() {
  for (const auto& [task, bytes] : live_bytes_)
    record_.memory.push_back({context_.rank, record_.times[static_cast<size_t>(task)].end, bytes});
  std::stable_sort(record_.memory.begin(), record_.memory.end(),
                   [](const MemorySample& a, const MemorySample& b) { return a.time < b.time; });
}

/// Counts come from the router, or from the plan where tasks take its place.
void RankStep::start_counts() {
  const auto experts = static_cast<size_t>(plan_.model.num_experts), layers = graph_.placement.size();
  for (size_t key = 0; key < counts_.size(); ++key) {
    counts_[key].clear();
    if (!plan_.model.routed_by_task) continue;
    const ExpertPlacement& placement = graph_.placement[key % layers];
    counts_[key].push_back(task_counts(plan_, placement, static_cast<int>(key / layers)));
    for (const SequenceRange& range : local_batch(plan_, context_.rank, static_cast<int>(key / layers)))
      record_.expert_rows[key * experts + static_cast<size_t>(range.task)] +=
          range.count * plan_.workload.sequence_length;
  }
}

bool RankStep::start_network() {
  const TaskIndex index = order_.head(Lane::network);
  if (network_.operation || index < 0 || !order_.ready(index) || !order_.settled(index)) return false;
  busy_.works();
  const Task& task = graph_.tasks[static_cast<size_t>(index)];
  if (index == gate_task_) gate_->before_task();
  tensors_.operands(task.reads, task.lane, counts_of(task), context_, network_reads_);
  tensors_.operands(task.writes, task.lane, counts_of(task), context_, network_writes_);
  network_.task = index;
  network_.start = now();
  network_.operation = collectives_.start({task, network_reads_, network_writes_, counts_of(task), context_});
  return true;
}

bool RankStep::finish_network() {
  if (!network_.operation || !network_.operation->poll()) return false;
  busy_.works();
  network_.operation.reset();
  order_.taken(network_.task);
  ended(network_.task, network_.start);
  return true;
}

/// Storage moves beside everything else, one task at a time.
bool RankStep::advance_storage() {
  bool progress = false;
  if (storage_ >= 0) {
    if (!experts_->poll()) return false;
    order_.taken(storage_);
    ended(std::exchange(storage_, -1), storage_start_);
    progress = true;
  }
  const TaskIndex index = order_.head(Lane::storage);
  if (index < 0 || !order_.ready(index) || !order_.settled(index)) return progress;
  const Task& task = graph_.tasks[static_cast<size_t>(index)];
  busy_.rests();  // it may wait for a write
  tensors_.operands(task.writes, task.lane, {}, context_, writes_);
  storage_ = index;
  storage_start_ = now();
  experts_->start(task, active_slots(task));
  return true;
}

/// Whether the host itself has to see what the task depends on.
bool RankStep::acts_on_host(TaskIndex index) const {
  return graph_.tasks[static_cast<size_t>(index)].lane == Lane::host || index == gate_task_;
}

/// Of the lanes that use this rank's device or core, the task that stands first in the program.
bool RankStep::append_next() {
  TaskIndex first = -1;
  for (Lane lane : {Lane::compute, Lane::copy_in, Lane::copy_out, Lane::host}) {
    const TaskIndex index = order_.head(lane);
    if (index < 0 || (first >= 0 && index > first) || !order_.ready(index)) continue;
    if (lane == Lane::copy_out && draining_ >= 0) continue;
    if (!acts_on_host(index) || order_.settled(index)) first = index;
  }
  if (first < 0) return false;
  busy_.works();
  if (first == gate_task_ && capture_ == Capture::running) finish_capture();
  const Task& task = graph_.tasks[static_cast<size_t>(first)];
  TaskTime& time = record_.times[static_cast<size_t>(first)];
  open_windows(task);
  tensors_.operands(task.reads, task.lane, counts_of(task), context_, reads_);
  tensors_.operands(task.writes, task.lane, counts_of(task), context_, writes_);
  order_.wait_on_device(first);
  backend_.mark(task.lane, &time.start);
  if (first == gate_task_) gate_->before_task(), context_.skip = gate_->skips(context_.step);
  order_.taken(first);
  if (!is_transfer(task.op)) {
    backend_.launch({task, reads_, writes_, counts_of(task), context_});
  } else if (!move_experts(first)) {
    return true;  // a drain ends later
  }
  backend_.mark(task.lane, &time.end);
  appended(first);
  return true;
}

/// The slots of the windows that a task is the first to use.
void RankStep::open_windows(const Task& task) {
  if (task.op != Op::fetch_experts && !(task.op == Op::clear && is_window(task.rows))) return;
  const std::vector<int> active = active_slots(task);
  const std::vector<int> slots = task.op == Op::clear ? active : experts_->slots_to_fetch(task, active);
  for (TensorId window : task.writes) tensors_.open_window(window, task.lane, slots);
}

/// False where the task goes on after this.
bool RankStep::move_experts(TaskIndex index) {
  busy_.rests();  // it may wait for storage
  const Task& task = graph_.tasks[static_cast<size_t>(index)];
  if (task.op == Op::fetch_experts) {
    experts_->fetch(task, writes_, context_.step);
  } else if (task.op == Op::drain_gradients) {
    experts_->drain(task, reads_);
    draining_ = index;
    return false;
  } else {
    MOESAIC_CHECK(task.op == Op::update_experts,
                  "no transfer of the host lane is called " + std::string(name_of(task.op)));
    experts_->update(task, active_slots(task), context_.step);
  }
  return true;
}

/// What a drain has copied from the device is added on the host.
bool RankStep::finish_drain() {
  if (draining_ < 0 || !experts_->finish_drain()) return false;
  const TaskIndex index = std::exchange(draining_, -1);
  ended(index, record_.times[static_cast<size_t>(index)].start);
  return true;
}

/// Slots of the task's layer that have rows: here for weights, on any rank with the same experts for gradients and,
/// over all microbatches, for updates.
std::vector<int> RankStep::active_slots(const Task& task) const {
  std::vector<int> active;
  const bool gradients = task.op == Op::clear;
  if (task.demand == Demand::predicted || (task.demand == Demand::none && !gradients)) return active;
  const size_t layers = graph_.placement.size(), layer = static_cast<size_t>(task.moe_layer);
  const auto slots = static_cast<size_t>(graph_.placement[layer].slots_per_rank);
  std::vector<bool> is_active(slots, false);
  const bool update = task.phase == Phase::update;
  for (size_t key = layer; key < counts_.size(); key += layers) {
    if (!update && key != static_cast<size_t>(task.microbatch) * layers + layer) continue;
    if (update || gradients) {
      for (size_t slot = 0; slot < slots; ++slot) is_active[slot] = is_active[slot] || used_slots_[key][slot];
      continue;
    }
    for (const SlotCounts& counts : counts_[key]) {
      const std::vector<int64_t> rows = counts.slot_rows(context_.position());
      for (size_t slot = 0; slot < slots; ++slot) is_active[slot] = is_active[slot] || rows[slot] > 0;
    }
  }
  for (size_t slot = 0; slot < slots; ++slot)
    if (is_active[slot]) active.push_back(static_cast<int>(slot));
  return active;
}

/// A task that stands on its lane of the device.
void RankStep::appended(TaskIndex index) {
  const Task& task = graph_.tasks[static_cast<size_t>(index)];
  record_.times[static_cast<size_t>(index)].rank = capture_ == Capture::running ? -1 : context_.rank;
  record_.times[static_cast<size_t>(index)].task = index;
  if (brings_counts(task)) return fetch_counts(index);
  left(index);
  order_.appended(index);
}

/// A task that the host has seen end.
void RankStep::ended(TaskIndex index, Seconds start) {
  const Task& task = graph_.tasks[static_cast<size_t>(index)];
  record_.times[static_cast<size_t>(index)] = {context_.rank, index, start, now()};
  if (brings_counts(task)) return fetch_counts(index);
  if (index == gate_task_ && is_collective(task.op)) context_.skip = gate_->skips(context_.step);
  left(index);
  order_.ended(index);
}

void RankStep::left(TaskIndex index) {
  if (capture_ != Capture::running) live_bytes_.emplace_back(index, tensors_.live_bytes());
  tensors_.finish(index);
}

std::span<const SlotCounts> RankStep::counts_of(const Task& task) const {
  if (task.moe_layer < 0) return {};
  return counts_[key_of(task.microbatch, task.moe_layer)];
}

/// Of this rank's group, or of the stage where the host has to know them.
bool RankStep::brings_counts(const Task& task) const {
  return announces_counts(task, plan_) || (experts_ != nullptr && !layers_gathered(graph_, task).empty());
}

/// The rows per expert follow the task to the host, which has to know them before it goes on with the layer.
void RankStep::fetch_counts(TaskIndex index) {
  const Task& task = graph_.tasks[static_cast<size_t>(index)];
  const TensorId tensor = counts_made_by(task);
  tensors_.operands({&tensor, 1}, task.lane, {}, context_, reads_);
  const Operand& counts = reads_.front();
  if (capture_ == Capture::running) {  // the capacity says how many rows there are; what they hold stays unknown
    const std::vector<int32_t> unknown(static_cast<size_t>(counts.elements()), 0);
    bind_counts(task, unknown.data());
    left(index);
    return order_.ended(index);
  }
  CountsInFlight arriving{index, static_cast<int32_t*>(backend_.allocate_host(counts.bytes())), 0};
  backend_.copy(task.lane, arriving.host, counts.data, counts.bytes());
  arriving.arrived = backend_.record(task.lane);
  arriving_.push_back(arriving);
}

bool RankStep::bind_arrived_counts() {
  const auto arrived = std::find_if(arriving_.begin(), arriving_.end(),
                                    [this](const CountsInFlight& counts) { return backend_.done(counts.arrived); });
  if (arrived == arriving_.end()) return false;
  const CountsInFlight counts = *arrived;
  arriving_.erase(arrived);
  bind_counts(graph_.tasks[static_cast<size_t>(counts.task)], counts.host);
  backend_.release_host(counts.host);
  left(counts.task);
  order_.ended(counts.task);
  return true;
}

/// counts: [ep, chunks, num_experts] rows per source, chunk and expert -> rows per physical slot; or of a stage.
void RankStep::bind_counts(const Task& task, const int32_t* counts) {
  const int64_t of_layer = int64_t{graph_.num_chunks} * plan_.model.num_experts;
  if (const std::vector<int> layers = layers_gathered(graph_, task); !layers.empty()) {
    const int64_t stride = of_layer * static_cast<int64_t>(layers.size());
    for (size_t i = 0; i < layers.size(); ++i)
      bind_used_slots(task.microbatch, layers[i], counts + static_cast<int64_t>(i) * of_layer,
                      plan_.layout.stage_ranks(), stride);
    return;
  }
  const int experts = static_cast<int>(plan_.model.num_experts), chunks = graph_.num_chunks, ep = plan_.layout.ep;
  const bool padded = plan_.dispatch.kind == DispatchKind::padded;
  const int first_rank = context_.group_first_rank();
  const size_t key = key_of(task.microbatch, task.moe_layer);
  for (int chunk = 0; chunk < chunks; ++chunk) {
    std::vector<int64_t> rows;
    for (int source = context_.group_first_rank(); source < context_.group_first_rank() + ep; ++source) {
      const int64_t capacity =
          capacity_rows(plan_.dispatch.capacity_factor, graph_.tokens_of(source), plan_.model.top_k, experts);
      for (int expert = 0; expert < experts; ++expert)
        rows.push_back(padded ? chunk_share(capacity, chunk, chunks)
                              : counts[((source - first_rank) * chunks + chunk) * experts + expert]);
    }
    counts_[key].push_back(split_over_slots(rows_of_slices(rows, graph_.expert_slices), ep,
                                            experts * graph_.expert_slices,
                                            graph_.placement[static_cast<size_t>(task.moe_layer)]));
    for (int expert = 0; expert < experts; ++expert)
      record_.expert_rows[key * static_cast<size_t>(experts) + static_cast<size_t>(expert)] +=
          counts[((context_.rank - first_rank) * chunks + chunk) * experts + expert];
  }
  if (experts_ != nullptr) bind_used_slots(task.microbatch, task.moe_layer, counts, ep, of_layer);
}

/// Slots with rows from any of these ranks, whose counts, [chunks, num_experts], stand `stride` apart. Of a group
/// first: what it uses is known when its rows move; gradients wait for what the stage uses.
void RankStep::bind_used_slots(int microbatch, int moe_layer, const int32_t* counts, int ranks, int64_t stride) {
  const auto experts = static_cast<int>(plan_.model.num_experts);
  const ExpertPlacement& placement = graph_.placement[static_cast<size_t>(moe_layer)];
  const int first = context_.position() * placement.slots_per_rank;
  std::vector<bool>& used = used_slots_[key_of(microbatch, moe_layer)];
  used.assign(static_cast<size_t>(placement.slots_per_rank), plan_.dispatch.kind == DispatchKind::padded);
  for (int slot = 0; slot < placement.slots_per_rank; ++slot) {
    const int expert = placement.slot_to_expert[static_cast<size_t>(first + slot)] / graph_.expert_slices;
    for (int rank = 0; rank < ranks; ++rank)
      for (int chunk = 0; chunk < graph_.num_chunks; ++chunk)
        if (counts[rank * stride + chunk * experts + expert] > 0) used[static_cast<size_t>(slot)] = true;
  }
}

}  // namespace moesaic::executor
