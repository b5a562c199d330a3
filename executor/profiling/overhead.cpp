#include "executor/profiling/overhead.h"

#include "core/graph/operands.h"
#include "core/operators/activations.h"
#include "executor/runtime/lanes/rank_step.h"

namespace moesaic::executor {
namespace {

constexpr int kTasks = 256;  // as many as a step of a small model

/// x[i+1] = x[i] + x[i-1]: two operands to look up, one result to make, one to give back, like most tasks of a step.
TaskGraph chain_of_additions(int num_ranks, int64_t rows, int64_t width) {
  TaskGraph graph;
  graph.num_ranks = num_ranks;
  graph.tokens_per_rank = rows;
  const auto add_tensor = [&](TensorKind kind) {
    return graph.add({"x" + std::to_string(graph.tensors.size()), kind, DType::f32, Rows::fixed, rows, width});
  };
  TensorId before = add_tensor(TensorKind::input), last = add_tensor(TensorKind::input);
  for (int i = 0; i < kTasks; ++i) {
    Task task;
    task.label = "add " + std::to_string(i);
    task.fixed_rows = rows;
    task.shape.k = width;
    const TensorId sum = add_tensor(TensorKind::activation);
    task.reads = in_places({{operands::Add::a, before}, {operands::Add::b, last}});
    task.writes = in_places({{operands::Add::sum, sum}});
    graph.tasks.push_back(std::move(task));
    before = last;
    last = sum;
  }
  link_dependencies(graph);
  return graph;
}

/// A step of such a chain and what it refers to.
struct Chain {
  Chain(int64_t rows, int64_t width, Transport& transport, Backend& backend)
      : plan(plan_of(transport.size())),
        graph(chain_of_additions(transport.size(), rows, width)),
        tensors(graph, backend, transport.rank()),
        step(graph, plan, transport.rank(), backend, transport, tensors) {}
  static Plan plan_of(int ranks) {
    Plan plan;
    plan.layout.ranks = ranks;
    return plan;
  }
  const Plan plan;
  const TaskGraph graph;
  TensorStore tensors;
  RankStep step;
  int64_t number = 0;
  Watch watch;
};

}  // namespace

Measure open_overhead(int64_t rows, int64_t width, Transport& transport, Backend& backend, Bench& bench) {
  const auto chain = std::make_shared<Chain>(rows, width, transport, backend);
  return [chain, &backend, &bench] {
    const CoreWatch core;
    const StepRecord record = chain->step.run(chain->number++, chain->watch);
    // A device's queue is not the thread's time.
    const Sample step = backend.runs_inline() ? core.computed(record.seconds) : Sample{record.seconds};
    Seconds tasks = 0;
    for (const TaskTime& time : record.times) tasks += time.end - time.start;
    const Seconds outside = record.seconds - tasks;  // which lost its part of what the step has lost
    return bench.mean_over_ranks({outside / kTasks, step.lost_s * outside / record.seconds / kTasks, step.disturbed});
  };
}

}  // namespace moesaic::executor
