#include "simulator/step_simulation.h"

#include <utility>

#include "core/schema/error.h"

namespace moesaic::simulator {
namespace {

/// Tags below are instances of tasks (or of PolledCores::kTag); with this bit they are numbers of collectives whose
/// delay has passed.
constexpr ActivityEngine::Tag kDelayTag = ActivityEngine::Tag{1} << 63;

}  // namespace

StepSimulation::StepSimulation(std::unique_ptr<ActivityEngine> engine, const TaskGraph& graph, const Platform& platform,
                               TaskPrices& prices, RowTable& rows, MemoryTracker& memory, ExpertTraffic* experts)
    : graph_(graph),
      platform_(platform),
      prices_(prices),
      rows_(rows),
      memory_(memory),
      experts_(experts),
      engine_(std::move(engine)),
      cores_(graph.num_ranks),
      polled_(platform.cluster().device.lanes_share_core),
      interferes_(prices.collective_slowdown() != 1),
      num_tasks_(graph.tasks.size()) {
  const size_t instances = static_cast<size_t>(graph.num_ranks) * graph.tasks.size();
  for (int stage = 0; stage < graph.num_stages; ++stage) programs_.emplace_back(graph, stage);
  waiting_.reserve(instances);
  for (int rank = 0; rank < graph.num_ranks; ++rank) {
    const std::vector<int32_t>& predecessors = program(rank).num_predecessors();
    waiting_.insert(waiting_.end(), predecessors.begin(), predecessors.end());
    num_instances_ += static_cast<Instance>(program(rank).num_tasks());
  }
  arrived_.assign(static_cast<size_t>(programs_[0].num_meetings()), 0);
  starts_.assign(instances, -1);
  ends_.assign(instances, -1);
  communicating_.assign(static_cast<size_t>(graph.num_ranks), 0);
  platform.build(*engine_, prices.collective_slowdown());
}

void StepSimulation::run() {
  for (Instance task = waiting_.size(); task-- > 0;)
    if (waiting_[task] == 0) ready_.push_back(task);
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
  for (const Instance task : cores_.dispatch(*engine_)) starts_[task] = engine_->now();
}

void StepSimulation::start(Instance instance) {
  const int rank = static_cast<int>(instance / num_tasks_);
  const auto index = TaskIndex(instance % num_tasks_);
  starts_[instance] = engine_->now();
  memory_.task_starts(index, rank, starts_[instance]);
  if (graph_.tasks[index].communicator >= 0) return arrive(instance, rank);
  if (is_transfer(graph_.tasks[index].op)) return move(instance, rank);
  const Seconds seconds = prices_.compute(index, rank);
  if (seconds <= 0) return finish(instance);
  if (polled_) return cores_.offer_compute(rank, instance, seconds);
  waiting_[instance] = 1;
  engine_->compute(rank, seconds, instance);
}

void StepSimulation::finish(Instance instance) {
  const int rank = static_cast<int>(instance / num_tasks_);
  const auto index = TaskIndex(instance % num_tasks_);
  ends_[instance] = engine_->now();
  ++finished_;
  memory_.task_ends(index, rank, ends_[instance]);
  const Instance first = instance - static_cast<Instance>(index);
  for (TaskIndex successor : program(rank).successors(index))
    if (--waiting_[first + static_cast<Instance>(successor)] == 0)
      ready_.push_back(first + static_cast<Instance>(successor));
}

void StepSimulation::completed(ActivityEngine::Tag tag) {
  if ((tag & kDelayTag) != 0)
    open_flows(tag & ~kDelayTag);
  else if ((tag & PolledCores::kTag) != 0)
    for (const Instance task : cores_.work_ended(static_cast<int>(tag & ~PolledCores::kTag))) finish(task);
  else if (--waiting_[tag] == 0) {
    if (graph_.tasks[TaskIndex(tag % num_tasks_)].communicator >= 0)
      communicates(static_cast<int>(tag / num_tasks_), -1);
    finish(tag);
  }
  start_ready();
}

void StepSimulation::move(Instance instance, int rank) {
  const TransferWork work = experts_->of(TaskIndex(instance % num_tasks_), rank);
  std::vector<Flow> flows;
  platform_.append_flows(work, rank, polled_, flows);
  const Seconds seconds = polled_ ? prices_.on_core(work) : 0;
  if (seconds > 0) return cores_.offer_compute(rank, instance, seconds);  // then nothing flows
  if (flows.empty()) return finish(instance);
  waiting_[instance] = static_cast<int32_t>(flows.size());
  for (const Flow& flow : flows) engine_->transfer(flow.port, flow.direction, flow.bytes, 1, instance);
}

void StepSimulation::arrive(Instance instance, int rank) {
  const auto index = TaskIndex(instance % num_tasks_);
  const CommunicatorFamily& family = graph_.communicators[graph_.tasks[index].communicator];
  const int group = family.group_of_rank[rank];
  const int32_t present = ++arrived_[static_cast<size_t>(programs_[0].first_meeting(index) + group)];
  if (present == static_cast<int32_t>(family.groups[group].size())) launch(index, rank);
}

void StepSimulation::launch(TaskIndex index, int rank) {
  const Task& task = graph_.tasks[index];
  const CollectiveDemand demand =
      demand_of(graph_, task, rank, is_routed(task.leg) ? &rows_.counts(task, rank) : nullptr, platform_.cluster(),
                is_window(task.rows) ? rows_.rows(index, rank) : 0);
  const CollectivePrice price = prices_.collective(task.op, demand);
  if (price.core_seconds > 0) {
    std::vector<int> ranks;
    std::vector<Instance> tasks;
    for (const MemberDemand& member : demand.members) {
      ranks.push_back(member.rank);
      tasks.push_back(instance(member.rank, index));
    }
    return cores_.offer_collective(ranks, tasks, price.core_seconds);
  }
  const size_t collective = open_collective(index, demand, price.scale);
  if (price.delay > 0)
    engine_->delay(price.delay, kDelayTag | collective);
  else
    open_flows(collective);
}

size_t StepSimulation::open_collective(TaskIndex task, const CollectiveDemand& demand, double scale) {
  if (free_collectives_.empty()) {
    free_collectives_.push_back(collectives_.size());
    collectives_.emplace_back();
  }
  const size_t number = free_collectives_.back();
  free_collectives_.pop_back();
  OpenCollective& open = collectives_[number];
  open.task = task;
  open.scale = scale;
  open.members.clear();
  open.flows.clear();
  open.end_of_flows.clear();
  for (const MemberDemand& member : demand.members) {
    open.members.push_back(member.rank);
    if (scale > 0) platform_.append_flows(member, open.flows);
    open.end_of_flows.push_back(open.flows.size());
  }
  return number;
}

void StepSimulation::open_flows(size_t number) {
  const OpenCollective& open = collectives_[number];
  size_t flow = 0;
  for (size_t i = 0; i < open.members.size(); ++i) {
    const Instance task = instance(open.members[i], open.task);
    waiting_[task] = static_cast<int32_t>(open.end_of_flows[i] - flow);
    if (waiting_[task] == 0)
      finish(task);
    else
      communicates(open.members[i], +1);
    for (; flow < open.end_of_flows[i]; ++flow)
      engine_->transfer(open.flows[flow].port, open.flows[flow].direction, open.flows[flow].bytes * open.scale, 1,
                        task);
  }
  free_collectives_.push_back(number);
}

void StepSimulation::communicates(int rank, int more) {
  if (!interferes_) return;
  int32_t& under_way = communicating_[static_cast<size_t>(rank)];
  const bool did = under_way > 0;
  under_way += more;
  if (did != (under_way > 0)) engine_->set_slowed(rank, !did);
}

void StepSimulation::check_all_finished() const {
  if (finished_ == num_instances_) return;
  Instance stuck = 0;
  while (ends_[stuck] >= 0 || waiting_[stuck] < 0) ++stuck;
  throw InvariantError(
      __FILE__, __LINE__, "finished_ == num_instances_",
      "task '" + graph_.tasks[stuck % num_tasks_].label + "' of rank " + std::to_string(stuck / num_tasks_) +
          (starts_[stuck] >= 0 ? " waits for the other members of its group" : " waits for tasks that never end"));
}

}  // namespace moesaic::simulator
