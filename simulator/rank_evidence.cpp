#include "simulator/rank_evidence.h"

#include <algorithm>
#include <set>

#include "core/operators/transfers.h"

namespace moesaic::simulator {
namespace {

/// What the tasks of a stage ask for, each once.
struct Asked {
  std::set<int32_t> bindings, routings, collectives;
  std::vector<TaskIndex> transfers;
};

Asked asked_by(const TaskGraph& graph, const StepProgram& program, RowTable& rows, const CollectiveTable& collectives) {
  Asked asked;
  const auto ask = [&](auto item) {
    if (const int32_t binding = rows.binding(item); binding >= 0) asked.bindings.insert(binding);
  };
  for (StepProgram::Local local = 0; local < program.num_tasks(); ++local) {
    const TaskIndex index = program.task(local);
    const Task& task = graph.tasks[index];
    ask(index);
    for (const std::vector<TensorId>* used : {&task.reads, &task.writes})
      for (const TensorId tensor : *used) ask(graph.base_of(tensor));  // for its memory
    if (task.communicator >= 0) asked.collectives.insert(collectives.kind_of(index));
    if (is_experts(task.op)) asked.routings.insert(rows.routing_of(task));
    if (is_transfer(task.op)) asked.transfers.push_back(index);
  }
  return asked;
}

class Reader {
 public:
  Reader(const TaskGraph& graph, const Platform& platform, RowTable& rows, CollectiveTable& collectives,
         const TransferTable& transfers, RankEvidence& evidence)
      : graph_(graph),
        platform_(platform),
        rows_(rows),
        collectives_(collectives),
        transfers_(transfers),
        evidence_(evidence) {}

  void read(int rank, const Asked& asked) {
    Fingerprint& own = evidence_.own[static_cast<size_t>(rank)];
    own.add(graph_.stage_of(rank));
    own.add(platform_.cluster().speed_of(rank));
    for (const int32_t binding : asked.bindings) own.add(rows_.rows_bound(binding, rank));
    for (const int32_t routing : asked.routings) {
      const SlotCounts& counts = rows_.counts(routing, rank);
      own.add(counts.slot_rows(rank % counts.num_ranks()).size());
      for (const int64_t slot : counts.slot_rows(rank % counts.num_ranks())) own.add(slot);
    }
    for (const int32_t kind : asked.collectives) read_collective(rank, kind, own);
    for (const TaskIndex task : asked.transfers) {
      const TransferTable::Work& work = transfers_.work(task, rank);
      own.add(work.moved.moved.from_device), own.add(work.moved.moved.to_device);
      own.add(work.moved.updated_elements), own.add(work.moved.checked_elements);
      read_flows(rank, work.flows, graph_.tasks[task].lane, own);
    }
  }

 private:
  void read_collective(int rank, int32_t kind, Fingerprint& own) {
    const CommunicatorFamily& family = graph_.communicators[collectives_.communicator(kind)];
    const int group = family.group_of_rank[rank];
    const CollectiveTable::Work& work = collectives_.work(kind, group);
    own.add(work.price.delay), own.add(work.price.core_seconds), own.add(work.price.basis);
    const std::vector<int>& ranks = family.groups[group];
    const auto member = static_cast<size_t>(std::lower_bound(ranks.begin(), ranks.end(), rank) - ranks.begin());
    const size_t first = member == 0 ? 0 : work.end_of_flows[member - 1];
    read_flows(rank, std::span(work.flows).subspan(first, work.end_of_flows[member] - first), collectives_.lane(kind),
               own);
  }

  void read_flows(int rank, std::span<const Flow> flows, Lane lane, Fingerprint& own) {
    own.add(flows.size());
    for (const Flow& flow : flows) {
      own.add(static_cast<int>(platform_.kind_of(flow.port))), own.add(platform_.bandwidth_of(flow.port));
      own.add(static_cast<int>(flow.direction)), own.add(flow.bytes);
      evidence_.lanes_of_port[static_cast<size_t>(flow.port)].insert(lane);
      std::vector<int>& users = evidence_.users_of_port[static_cast<size_t>(flow.port)];
      if (users.empty() || users.back() != rank) users.push_back(rank);  // ranks are read one after the other
    }
  }

  const TaskGraph& graph_;
  const Platform& platform_;
  RowTable& rows_;
  CollectiveTable& collectives_;
  const TransferTable& transfers_;
  RankEvidence& evidence_;
};

}  // namespace

RankEvidence evidence_of(const TaskGraph& graph, const Platform& platform, const std::vector<StepProgram>& programs,
                         RowTable& rows, CollectiveTable& collectives, const TransferTable& transfers) {
  RankEvidence evidence;
  evidence.own.resize(static_cast<size_t>(graph.num_ranks));
  evidence.users_of_port.resize(static_cast<size_t>(platform.num_ports()));
  evidence.lanes_of_port.resize(static_cast<size_t>(platform.num_ports()));
  std::vector<Asked> asked;
  for (const StepProgram& program : programs) {
    asked.push_back(asked_by(graph, program, rows, collectives));
    std::vector<bool>& meets = evidence.meets.emplace_back(graph.communicators.size(), false);
    for (const int32_t kind : asked.back().collectives)
      meets[static_cast<size_t>(collectives.communicator(kind))] = true;
  }
  Reader reader(graph, platform, rows, collectives, transfers, evidence);
  for (int rank = 0; rank < graph.num_ranks; ++rank)
    reader.read(rank, asked[static_cast<size_t>(graph.stage_of(rank))]);
  return evidence;
}

}  // namespace moesaic::simulator
