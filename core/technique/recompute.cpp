#include <algorithm>
#include <map>
#include <set>

#include "core/graph/edit.h"
#include "core/operators/collectives.h"
#include "core/technique/technique.h"

namespace moesaic {
namespace {

class Recomputer {
 public:
  Recomputer(TaskGraph& graph, bool keep_communicated)
      : graph_(graph), keep_communicated_(keep_communicated), producers_(graph.tensors.size()) {
    for (size_t i = 0; i < graph.tasks.size(); ++i) {
      if (graph.tasks[i].phase != Phase::forward) continue;
      for (TensorId tensor : graph.tasks[i].writes) producers_[tensor].push_back(TaskIndex(i));
    }
  }

  void run() {
    std::map<TaskIndex, std::set<TaskIndex>> again_before;
    for (auto& [layer, pass] : backward_passes()) again_before[pass.begin] = std::move(pass.again);
    GraphEdit edit(graph_);
    for (TaskIndex i = 0; i < graph_.tasks.next(); ++i) {
      for (const TaskIndex forward : again_before[i]) edit.before(i, again(forward));
      if (Task& task = graph_.tasks[i]; task.phase == Phase::backward) use_again(task);
    }
    edit.apply();
  }

 private:
  using LayerPass = std::pair<int, int>;  // microbatch, layer
  struct Backward {
    TaskIndex begin = -1;
    std::set<TaskIndex> again;  // forward tasks that run once more, in program order
  };

  std::map<LayerPass, Backward> backward_passes() const {
    std::map<LayerPass, Backward> passes;
    for (size_t i = 0; i < graph_.tasks.size(); ++i) {
      const Task& task = graph_.tasks[i];
      if (task.phase != Phase::backward || task.layer < 0) continue;
      Backward& pass = passes[{task.microbatch, task.layer}];
      if (pass.begin < 0) pass.begin = TaskIndex(i);
      for (TensorId tensor : task.reads) need(tensor, task, pass);
    }
    return passes;
  }

  /// Marks the forward tasks of the reader's own layer and microbatch from which the tensor follows.
  void need(TensorId tensor, const Task& reader, Backward& pass) const {
    if (producers_[tensor].empty() || is_kept(producers_[tensor].back())) return;
    for (const TaskIndex producer : producers_[tensor]) need_task(producer, reader, pass);
  }

  void need_task(TaskIndex index, const Task& reader, Backward& pass) const {
    const Task& task = graph_.tasks[index];
    if (task.layer != reader.layer || task.microbatch != reader.microbatch) return;
    if (!pass.again.insert(index).second) return;
    for (TensorId read : task.reads) need(read, task, pass);
  }

  /// The router's choices and the counts of other ranks are small and decide the size of everything behind them. A
  /// regrouping only reorders what a collective has brought.
  bool is_kept(TaskIndex index) const {
    const Task& task = graph_.tasks[index];
    if (task.op == Op::router) return true;
    if (is_collective(task.op) && is_routers(task.reads[operands::Collective::sent])) return true;
    return keep_communicated_ && (is_collective(task.op) || task.op == Op::regroup);
  }
  bool is_routers(TensorId tensor) const {
    return std::any_of(producers_[tensor].begin(), producers_[tensor].end(),
                       [this](TaskIndex index) { return graph_.tasks[index].op == Op::router; });
  }

  Task again(TaskIndex forward) {
    Task task = graph_.tasks[forward];
    const std::string phase = name_of(Phase::forward);
    task.label.replace(task.label.find(phase + " / "), phase.size(), "backward / recompute");
    task.phase = Phase::backward;
    use_again(task);
    for (TensorId& tensor : task.writes) {
      if (const auto in_place = again_.find(tensor); in_place != again_.end()) {
        tensor = in_place->second;
        continue;
      }
      Tensor fresh = graph_.tensors[tensor];
      fresh.name += ".recomputed";
      tensor = again_[tensor] = graph_.add(std::move(fresh));
    }
    return task;
  }

  void use_again(Task& task) const {
    for (TensorId& tensor : task.reads)
      if (const auto found = again_.find(tensor); found != again_.end()) tensor = found->second;
  }

  TaskGraph& graph_;
  const bool keep_communicated_;
  OfTensors<std::vector<TaskIndex>> producers_;  // the forward tasks that write it; several where sums are in place
  std::map<TensorId, TensorId> again_;           // what forward wrote -> what the second run writes
};

}  // namespace

void recompute(TaskGraph& graph, const Plan& plan) {
  if (plan.layout.recompute == Recompute::none) return;
  Recomputer(graph, plan.layout.recompute == Recompute::communication_aware).run();
}

}  // namespace moesaic
