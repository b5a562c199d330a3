#pragma once
// What takes the place of a flat exchange of a MoE layer, task by task. Which exchanges a plan wants, techniques know.

#include <string>
#include <utility>
#include <vector>

#include "core/graph/task_graph.h"

namespace moesaic {

/// Collects tasks in program order.
class ExchangeTasks {
 public:
  /// Both must outlive it.
  ExchangeTasks(TaskGraph& graph, const Task& flat) : graph_(graph), flat_(flat) {}

  /// A tensor like the one that the flat exchange fills, with other rows.
  TensorId fresh(const std::string& what, Rows rows);
  /// Between the ranks of a family. Returns `to`.
  TensorId exchange(const std::string& what, const std::string& communicator, Leg leg, Rows rows, TensorId from,
                    TensorId to);
  /// Returns `to`; without one, a fresh tensor.
  TensorId regroup(const std::string& what, Regroup order, Rows rows, TensorId from, TensorId to);
  TensorId regroup(const std::string& what, Regroup order, Rows rows, TensorId from) {
    return regroup(what, order, rows, from, fresh(what, rows));
  }

  Task& last() { return tasks_.back(); }
  std::vector<Task> take() { return std::move(tasks_); }

 private:
  TaskGraph& graph_;
  const Task& flat_;
  std::vector<Task> tasks_;
};

}  // namespace moesaic
