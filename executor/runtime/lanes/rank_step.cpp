#include "executor/runtime/lanes/rank_step.h"

#include <sched.h>

#include <string>

#include "executor/machine/steady_clock.h"

namespace moesaic::executor {

RankStep::RankStep(const TaskGraph& graph, const Plan& plan, int rank, Backend& backend, Transport& transport,
                   TensorStore& tensors, const RankStepOptions& options)
    : state_(graph, plan, rank, backend, tensors, options),
      collectives_(graph, transport, rank, backend, options.device_groups, options.first_communicator),
      ends_(state_),
      network_(state_, ends_, collectives_),
      storage_(state_, ends_),
      transfers_(state_, ends_),
      device_(state_, ends_, transfers_) {}

StepRecord RankStep::run(int64_t step, Watch& watch) {
  start(step, watch);
  const Seconds start = steady_seconds();
  state_.busy.works();
  replay_captured();
  while (!state_.order.all_ended())
    if (progress())
      watch.progress();
    else
      idle(watch);
  StepRecord record = finish(start);
  watch.wait(*control().barrier(free_control() + 1), "end of step " + std::to_string(step + 1));
  ++state_.context.run;
  return record;
}

void RankStep::start(int64_t step, Watch& watch) {
  state_.start_step(step);
  state_.backend.settle();
  watch.wait(*control().barrier(free_control()), "start of step " + std::to_string(step + 1));
}

/// The step before has left all memory that captured tasks need with the backend, and shapes are what they were.
void RankStep::replay_captured() {
  if (!state_.capture.start_step(state_.tensors.live_bytes())) return;
  for (TaskIndex index = 0; index < state_.capture_end; ++index) {
    state_.order.taken(index);
    state_.order.ended(index);
  }
}

/// The network first: what it sends overlaps the operator that runs next. A collective that has just been started is
/// polled once more before that: a peer that has waited for it would otherwise wait for the operator as well.
bool RankStep::progress() {
  bool progress = network_.finish();
  if (network_.start()) {
    network_.finish();
    progress = true;
  }
  progress |= storage_.advance();
  progress |= transfers_.finish_drain();
  progress |= ends_.bind_arrived_counts();
  progress |= device_.append_next();
  return progress;
}

void RankStep::idle(Watch& watch) {
  state_.busy.rests();
  network_.idle(watch);
  const Seconds before = steady_seconds();
  sched_yield();
  state_.busy.yielded(steady_seconds() - before);
}

StepRecord RankStep::finish(Seconds start) {
  state_.backend.settle();
  state_.capture.end_step();
  const Seconds end = steady_seconds(), lost = state_.busy.take_lost();
  StepRecord record = state_.recorder.finish(start, end);
  record.lost = lost;
  record.captured = state_.capture.captures();
  record.expert_rows = state_.routing.expert_rows();
  record.choices = state_.routes.take();
  return record;
}

}  // namespace moesaic::executor
