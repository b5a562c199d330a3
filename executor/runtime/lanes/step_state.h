#pragma once
// What the lanes of one rank's step share: the graph and its memory, which task may follow, what the router has said,
// what is measured. It starts nothing.

#include <vector>

#include "executor/backend/backend.h"
#include "executor/runtime/lanes/busy_time.h"
#include "executor/runtime/lanes/capture.h"
#include "executor/runtime/lanes/collectives.h"
#include "executor/runtime/lanes/route_recorder.h"
#include "executor/runtime/lanes/step_recorder.h"
#include "executor/runtime/lanes/task_order.h"
#include "executor/runtime/lanes/task_routing.h"
#include "executor/runtime/lanes/update_gate.h"
#include "executor/runtime/residency/expert_states.h"
#include "executor/runtime/residency/tensor_store.h"

namespace moesaic::executor {

struct RankStepOptions {
  ExpertStates* experts = nullptr;  // null: they live on the device
  UpdateGate* gate = nullptr;       // null: every step changes what its tasks change
  MakeDeviceGroups device_groups;   // of devices with memory of their own; empty: staged through host memory
  bool capture = false;  // from the second step on the tasks before the gate are a graph of the device, if it has such;
                         // every step does the same at the same addresses
  int first_communicator = 0;  // number of the first that it takes of Collectives::numbers_of(graph)
  RoutingForm record = RoutingForm::counts_by_source;  // what a step's record says of routing; not of captured steps
};

struct TaskOperands {
  std::vector<Operand> reads, writes;
};

struct StepState {
  /// All that is handed in must outlive it.
  StepState(const TaskGraph& step, const Plan& plan, int rank, Backend& device, TensorStore& memory,
            const RankStepOptions& options);

  const Task& task(TaskIndex index) const { return graph.tasks[index]; }
  /// A task about to run on its lane. The launch is good as long as `operands` stay as they are.
  Launch launch_of(const Task& task, TaskOperands& operands);

  /// Nothing of step number `step` has run yet.
  void start_step(int64_t step);

  const TaskGraph& graph;
  Backend& backend;
  TensorStore& tensors;
  ExpertStates* const experts;
  UpdateGate* const gate;
  const TaskIndex gate_task;    // -1: none
  const TaskIndex capture_end;  // the first task in which the gate has a part
  StepContext context;
  TaskOrder order;
  TaskRouting routing;
  RouteRecorder routes;
  StepRecorder recorder;
  BusyTime busy;
  Capture capture;
};

}  // namespace moesaic::executor
