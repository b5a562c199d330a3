#include "executor/exchange/exchange.h"

#include <utility>

#include "core/graph/operands.h"
#include "core/schema/error.h"

namespace moesaic::executor {

namespace {

/// Whether a task of a forward pass takes rows to the experts' ranks (Leg::dispatch) or back (Leg::combine), its share
/// of a hierarchical exchange included.
bool is_part_of(const Task& task, Leg exchange) {
  const bool out = exchange == Leg::dispatch;
  if (task.op == Op::all_to_all)
    return task.leg == exchange || task.leg == (out ? Leg::intra_out : Leg::intra_back) ||
           task.leg == (out ? Leg::inter_out : Leg::inter_back);
  return task.regroup == (out ? Regroup::to_local_major : Regroup::from_local_major) ||
         task.regroup == (out ? Regroup::relay_out : Regroup::relay_back);
}

}  // namespace

std::vector<const Task*> exchange_tasks(const TaskGraph& graph, Leg leg) {
  std::vector<const Task*> tasks;
  for (const Task& task : graph.tasks)
    if (task.moe_layer == 0 && task.microbatch == 0 && task.phase == Phase::forward && is_part_of(task, leg))
      tasks.push_back(&task);
  MOESAIC_CHECK(!tasks.empty(), "the plan exchanges nothing in its first MoE layer");
  return tasks;
}

Exchange::Exchange(const TaskGraph& graph, const Plan& plan, SlotCounts counts, int rank, Backend& backend,
                   Transport& transport)
    : backend_(backend),
      context_(make_step_context(graph, plan, rank)),
      counts_{std::move(counts)},
      collectives_(graph, transport, rank, backend, {}) {
  MOESAIC_CHECK(plan.dispatch.chunks == 1, "an exchange is run whole");
  MOESAIC_CHECK(nodes_reached_once(plan) == 0,
                "an exchange alone has rows and no tokens, which could go to a node once");
  dispatch_ = steps_of(Leg::dispatch);
  combine_ = steps_of(Leg::combine);
}

Exchange::~Exchange() {
  for (const auto& [tensor, operand] : operands_) backend_.release(operand.data);
}

Operand Exchange::operand(TensorId id) {
  const auto [entry, is_new] = operands_.try_emplace(id);
  if (!is_new) return entry->second;
  const Tensor& tensor = context_.graph->tensors[id];
  const int me = context_.position();
  Operand made;
  made.tensor = id;
  made.rows = counts_[0].rows(tensor.rows, me, context_.ranks_per_node());
  made.row_elements = tensor.row_elements;
  made.dtype = tensor.dtype;
  made.data = backend_.allocate(made.bytes());
  return entry->second = made;
}

std::vector<Exchange::Step> Exchange::steps_of(Leg leg) {
  std::vector<Step> steps;
  for (const Task* task : exchange_tasks(*context_.graph, leg))
    steps.push_back({task, operand(input_of(*task)), operand(output_of(*task))});  // the counts are at hand
  return steps;
}

void Exchange::run(const std::vector<Step>& steps, const std::function<void()>& idle) {
  ++context_.run;  // numbers of collectives differ from one run to the next
  for (const Step& step : steps) {
    const Launch launch{*step.task, {&step.from, 1}, {&step.to, 1}, counts_, context_};
    if (step.task->op != Op::all_to_all) {
      backend_.launch(launch);
      continue;
    }
    const std::unique_ptr<Operation> operation = collectives_.start(launch);
    while (!operation->poll()) idle();
  }
}

}  // namespace moesaic::executor
