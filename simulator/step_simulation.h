#pragma once
// Runs the task graph of every rank in simulated time: activities are made when they can start, never in advance.
// It decides nothing and prices nothing; it knows when tasks may start, and the engine knows how long they share what
// they use.

#include <memory>
#include <vector>

#include "simulator/activity_engine.h"
#include "simulator/memory_tracker.h"
#include "simulator/polled_cores.h"
#include "simulator/step_program.h"
#include "simulator/task_prices.h"

namespace moesaic::simulator {

/// What a collective is to the interpreter once its members have met.
struct OpenCollective {
  TaskIndex task = -1;
  double scale = 1;
  std::vector<int> members;          // ranks
  std::vector<Flow> flows;           // of all members, in member order
  std::vector<size_t> end_of_flows;  // [members]
};

/// One step, run once.
class StepSimulation {
 public:
  /// All arguments must outlive the simulation. `memory` is told of every start and end; `experts` is asked once for
  /// what each transfer task moves, null where no task is one.
  StepSimulation(std::unique_ptr<ActivityEngine> engine, const TaskGraph& graph, const Platform& platform,
                 TaskPrices& prices, RowTable& rows, MemoryTracker& memory, ExpertTraffic* experts = nullptr);

  /// InvariantError where tasks remain that nothing can start any more.
  void run();

  const std::vector<Seconds>& starts() const { return starts_; }  // [ranks, tasks]; -1: of another pipeline stage
  const std::vector<Seconds>& ends() const { return ends_; }      // [ranks, tasks]
  int64_t activities() const { return engine_->activities(); }

 private:
  using Instance = uint64_t;  // rank * tasks + task

  const StepProgram& program(int rank) const { return programs_[static_cast<size_t>(graph_.stage_of(rank))]; }
  Instance instance(int rank, TaskIndex task) const {
    return static_cast<Instance>(rank) * num_tasks_ + static_cast<Instance>(task);
  }
  void start_ready();
  void start(Instance task);
  void finish(Instance task);
  void completed(ActivityEngine::Tag tag);
  void move(Instance task, int rank);
  void arrive(Instance task, int rank);
  void launch(TaskIndex task, int rank);
  void open_flows(size_t collective);
  size_t open_collective(TaskIndex task, const CollectiveDemand& demand, double scale);
  void communicates(int rank, int more);
  void check_all_finished() const;

  const TaskGraph& graph_;
  const Platform& platform_;
  TaskPrices& prices_;
  RowTable& rows_;
  MemoryTracker& memory_;
  ExpertTraffic* experts_;
  std::vector<StepProgram> programs_;  // [pipeline stages]
  std::unique_ptr<ActivityEngine> engine_;
  PolledCores cores_;
  const bool polled_;           // lanes share the core
  const bool interferes_;       // collectives slow compute down
  Instance num_tasks_;          // of the graph
  Instance num_instances_ = 0;  // that run
  std::vector<int32_t>
      waiting_;  // [ranks, tasks]: predecessors left before the start, then activities left before the end
  std::vector<int32_t> arrived_;        // [meetings]
  std::vector<int32_t> communicating_;  // [ranks]: collectives whose flows are under way
  std::vector<Seconds> starts_, ends_;
  std::vector<Instance> ready_;  // a work list, so that chains of tasks without work need no recursion
  std::vector<OpenCollective> collectives_;
  std::vector<size_t> free_collectives_;
  Instance finished_ = 0;
};

}  // namespace moesaic::simulator
