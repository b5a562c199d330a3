#include "simulator/step_simulation.h"

#include <algorithm>
#include <utility>

#include "core/operators/transfers.h"
#include "core/schema/error.h"

namespace moesaic::simulator {
namespace {

/// Tags below are instances of tasks (or of PolledCores::kTag); with this bit they are a class of groups in the upper
/// half and a task of the graph below, whose collective's delay has passed.
constexpr ActivityEngine::Tag kDelayTag = ActivityEngine::Tag{1} << 63;

}  // namespace

StepSimulation::StepSimulation(std::unique_ptr<ActivityEngine> engine, const StepParts& parts, Fusion fusion)
    : parts_(parts),
      graph_(parts.graph),
      engine_(std::move(engine)),
      cores_(parts.classes.num_classes()),
      polled_(parts.platform.cluster().device.lanes_share_core),
      interferes_(parts.prices.collective_slowdown() != 1),
      fused_(fusion == Fusion::all && !polled_),
      meetings_(parts.graph, parts.platform, parts.collectives, parts.evidence, parts.classes,
                fused_ ? Fusion::all : Fusion::none),
      first_{0} {
  size_t tasks = 0;
  for (int of_class = 0; of_class < parts.classes.num_classes(); ++of_class)
    tasks += static_cast<size_t>(
        parts.programs[static_cast<size_t>(graph_.stage_of(parts.classes.representative(of_class)))].num_tasks());
  waiting_.reserve(tasks);
  times_.reserve(tasks);
  for (int of_class = 0; of_class < parts.classes.num_classes(); ++of_class) {
    OfClass& own = classes_.emplace_back();
    own.rank = parts.classes.representative(of_class);
    own.size = static_cast<int>(parts.classes.members(of_class).size());
    own.program = &parts.programs[static_cast<size_t>(graph_.stage_of(own.rank))];
    own.prices.resize(static_cast<size_t>(parts.prices.num_kinds()), {-1, -1});
    const std::vector<int32_t>& predecessors = own.program->num_predecessors();
    waiting_.insert(waiting_.end(), predecessors.begin(), predecessors.end());
    for (Local task = 0; task < own.program->num_tasks(); ++task)
      times_.push_back({own.rank, own.program->task(task), -1, -1});
    first_.push_back(times_.size());
  }
  int32_t meetings = 0;
  for (const Task& task : graph_.tasks) {
    first_arrived_.push_back(task.communicator < 0 ? -1 : meetings);
    if (task.communicator >= 0) meetings += static_cast<int32_t>(parts.classes.group_classes(task.communicator).size());
  }
  arrived_.assign(static_cast<size_t>(meetings), 0);
  parts.platform.build(*engine_, parts.prices.collective_slowdown());
}

void StepSimulation::run() {
  for (int of_class = static_cast<int>(classes_.size()); of_class-- > 0;)
    for (auto task = static_cast<Local>(classes_[static_cast<size_t>(of_class)].program->num_tasks()); task-- > 0;)
      if (waiting_[at(instance(of_class, task))] == 0) ready_.push_back(instance(of_class, task));
  start_ready();
  engine_->run([this](ActivityEngine::Tag tag) { completed(tag); });
  check_all_finished();
}

void StepSimulation::start_ready() {
  while (!ready_.empty()) {
    const Instance task = ready_.back();
    ready_.pop_back();
    start(task);
  }
  if (!polled_) return;
  for (const Instance task : cores_.dispatch(*engine_)) times_[at(task)].start = engine_->now();
}

void StepSimulation::start(Instance task) {
  const int of_class = class_of(task);
  OfClass& own = classes_[static_cast<size_t>(of_class)];
  pass_chain(of_class, engine_->now());
  TaskTime& time = times_[at(task)];
  time.start = engine_->now();
  parts_.memory.task_starts(of_class, local(task), time.start);
  if (const int32_t kind = parts_.prices.kind_of(time.task); kind >= 0) return compute(task, own, kind);
  if (graph_.tasks[time.task].communicator >= 0) return arrive(time.task, of_class);
  move(task, time.task, own);
}

void StepSimulation::compute(Instance task, OfClass& own, int32_t kind) {
  const Seconds seconds = seconds_of(kind, own);
  count(kind, own);
  if (seconds <= 0) return finish(task);
  if (polled_) return cores_.offer_compute(class_of(task), task, seconds);
  waiting_[at(task)] = 1;
  if (!fused_ || own.program->next_in_chain(local(task)) < 0) return engine_->compute(own.rank, seconds, task);
  own.in_chain = local(task);
  own.left = seconds;
  own.left_since = engine_->now();
  engine_->compute(own.rank, chain_seconds(local(task), own), task);
}

/// A task that starts now.
void StepSimulation::count(int32_t kind, const OfClass& own) {
  const ComputePrice& price = own.prices[static_cast<size_t>(kind)];
  parts_.prices.count(price.basis, own.size);
  if (price.seconds > 0) activities_ += own.size;
}

Seconds StepSimulation::chain_seconds(Local task, OfClass& own) {
  Seconds seconds = 0;
  for (; task >= 0; task = own.program->next_in_chain(task))
    seconds += seconds_of(parts_.prices.kind_of(own.program->task(task)), own);
  return seconds;
}

/// Notes the times of those tasks of the running chain that end until then, all but the last. To be called before
/// anything else happens to the ranks or the speed of their core changes.
void StepSimulation::pass_chain(int of_class, Seconds until) {
  OfClass& own = classes_[static_cast<size_t>(of_class)];
  if (own.in_chain < 0) return;
  const double slowdown = own.communicating > 0 ? parts_.prices.collective_slowdown() : 1;
  const size_t first = first_[static_cast<size_t>(of_class)];
  for (;;) {
    const Local next = own.program->next_in_chain(own.in_chain);
    const Seconds end = own.left_since + own.left * slowdown;
    if (next < 0 || end > until) break;
    times_[first + static_cast<size_t>(own.in_chain)].end = end;
    parts_.memory.task_ends(of_class, own.in_chain, end);
    ++finished_;
    TaskTime& time = times_[first + static_cast<size_t>(next)];
    time.start = end;
    parts_.memory.task_starts(of_class, next, end);
    const int32_t kind = parts_.prices.kind_of(time.task);
    count(kind, own);
    own.in_chain = next;
    own.left = seconds_of(kind, own);
    own.left_since = end;
  }
  own.left = std::max(0.0, own.left - (until - own.left_since) / slowdown);
  own.left_since = until;
}

/// The engine says that the last task of the chain ends now.
void StepSimulation::end_chain(int of_class) {
  OfClass& own = classes_[static_cast<size_t>(of_class)];
  const Seconds now = engine_->now();
  for (pass_chain(of_class, now); own.program->next_in_chain(own.in_chain) >= 0; pass_chain(of_class, now))
    own.left = 0;  // a rest that rounding has left
  finish(instance(of_class, std::exchange(own.in_chain, -1)));
}

void StepSimulation::finish(Instance task) {
  const int of_class = class_of(task);
  pass_chain(of_class, engine_->now());
  TaskTime& time = times_[at(task)];
  time.end = engine_->now();
  ++finished_;
  parts_.memory.task_ends(of_class, local(task), time.end);
  const size_t first = first_[static_cast<size_t>(of_class)];
  for (const Local successor : classes_[static_cast<size_t>(of_class)].program->successors(local(task)))
    if (--waiting_[first + static_cast<size_t>(successor)] == 0) ready_.push_back(instance(of_class, successor));
}

void StepSimulation::completed(ActivityEngine::Tag tag) {
  if ((tag & kDelayTag) != 0) {
    const auto index = TaskIndex(local(tag));
    open_flows(index, meetings_.of(index, class_of(tag & ~kDelayTag)));
  } else if ((tag & PolledCores::kTag) != 0) {
    for (const Instance task : cores_.work_ended(static_cast<int>(tag & ~PolledCores::kTag))) finish(task);
  } else if (--waiting_[at(tag)] == 0) {
    const TaskIndex index = times_[at(tag)].task;
    if (graph_.tasks[index].communicator >= 0) communicates(class_of(tag), -1);
    if (classes_[static_cast<size_t>(class_of(tag))].in_chain >= 0 && parts_.prices.kind_of(index) >= 0)
      end_chain(class_of(tag));
    else
      finish(tag);
  }
  start_ready();
}

void StepSimulation::move(Instance task, TaskIndex index, OfClass& own) {
  const TransferTable::Work& work = parts_.transfers.work(index, own.rank);
  const Seconds seconds = polled_ ? parts_.prices.on_core(work.moved) : 0;
  if (seconds > 0) {  // then nothing flows
    activities_ += own.size;
    return cores_.offer_compute(class_of(task), task, seconds);
  }
  if (work.flows.empty()) return finish(task);
  waiting_[at(task)] = static_cast<int32_t>(work.flows.size());
  activities_ += own.size * std::ssize(work.flows);
  for (const Flow& of_rank : work.flows) {
    const Flow flow = parts_.classes.of_class(of_rank, own.rank);
    engine_->transfer(flow.port, flow.direction, flow.bytes, flow.copies, task);
  }
}

void StepSimulation::arrive(TaskIndex index, int of_class) {
  const CommunicatorFamily& family = graph_.communicators[graph_.tasks[index].communicator];
  const int rank = classes_[static_cast<size_t>(of_class)].rank;
  const int group_class = parts_.classes.group_class(graph_.tasks[index].communicator, family.group_of_rank[rank]);
  const Meeting& met = meetings_.of(index, group_class);
  const int32_t present = ++arrived_[static_cast<size_t>(first_arrived_[index] + group_class)];
  if (present == std::ssize(met.members)) launch(index, group_class, met);
}

void StepSimulation::launch(TaskIndex index, int group_class, const Meeting& met) {
  parts_.prices.count(met.price.basis, met.groups);
  if (met.price.core_seconds > 0) {  // polled cores: every rank is a class of its own
    std::vector<int> ranks;
    std::vector<Instance> tasks;
    for (const Meeting::Member& member : met.members) {
      ranks.push_back(member.of_class);
      tasks.push_back(instance(member.of_class, classes_[static_cast<size_t>(member.of_class)].program->local(index)));
    }
    activities_ += std::ssize(ranks);
    return cores_.offer_collective(ranks, tasks, met.price.core_seconds);
  }
  if (met.price.delay > 0)
    engine_->delay(met.price.delay, kDelayTag | instance(group_class, index.value()));
  else
    open_flows(index, met);
}

void StepSimulation::open_flows(TaskIndex index, const Meeting& met) {
  size_t flow = 0;
  for (const Meeting::Member& member : met.members) {
    const OfClass& own = classes_[static_cast<size_t>(member.of_class)];
    const Instance task = instance(member.of_class, own.program->local(index));
    const size_t flows = member.end_of_flows - flow;
    waiting_[at(task)] = static_cast<int32_t>(flows);
    activities_ += int64_t{own.size} * member.num_flows;
    if (flows == 0)
      finish(task);
    else
      communicates(member.of_class, +1);
    for (; flow < member.end_of_flows; ++flow)
      engine_->transfer(met.flows[flow].port, met.flows[flow].direction, met.flows[flow].bytes, met.flows[flow].copies,
                        task);
  }
}

void StepSimulation::communicates(int of_class, int more) {
  if (!interferes_) return;
  OfClass& own = classes_[static_cast<size_t>(of_class)];
  const bool did = own.communicating > 0;
  if (did != (own.communicating + more > 0)) pass_chain(of_class, engine_->now());
  own.communicating += more;
  if (did != (own.communicating > 0)) engine_->set_slowed(own.rank, !did);
}

void StepSimulation::check_all_finished() const {
  if (finished_ == times_.size()) return;
  const TaskTime& stuck =
      *std::find_if(times_.begin(), times_.end(), [](const TaskTime& time) { return time.end < 0; });
  throw InvariantError(
      __FILE__, __LINE__, "finished_ == times_.size()",
      "task '" + graph_.tasks[stuck.task].label + "' of rank " + std::to_string(stuck.rank) +
          (stuck.start >= 0 ? " waits for the other members of its group" : " waits for tasks that never end"));
}

}  // namespace moesaic::simulator
