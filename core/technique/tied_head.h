#pragma once
// A head that is tied to an embedding table which is cut by columns. It needs all columns, so for one microbatch at a
// time they are gathered, used forward and backward, and let go; the gradient goes back to the ranks of the columns.

#include <map>
#include <vector>

#include "core/graph/edit.h"
#include "core/technique/cut_table.h"

namespace moesaic {

class TiedHead {
 public:
  TiedHead(TaskGraph& graph, const CutTable& table) : graph_(graph), table_(table) {}

  /// A product with the table becomes one with its gathered columns; any other task stays as it is.
  void rewrite(TaskIndex place, GraphEdit& edit);
  /// What the gradient of the table gets of the head's beside `task`, the embedding's backward; no task where the head
  /// has a table of its own.
  std::vector<Task> add_gradient(const Task& task);

 private:
  const Parameter& parameter() const { return graph_.parameters[table_.parameter]; }
  int64_t columns() const { return table_.vocabulary * table_.width; }  // elements of this rank's part
  TensorId add(const std::string& name, DType dtype, int64_t rows, int64_t row_elements, int microbatch);
  Task gather(const Task& head, TensorId pieces, const Task& next) const;
  std::vector<Task> project(const Task& head, TensorId pieces);
  std::vector<Task> weight_gradient(const Task& head);

  TaskGraph& graph_;
  const CutTable& table_;
  std::map<int, TensorId> whole_, share_;  // by microbatch: the gathered table, this rank's part of its gradient
};

}  // namespace moesaic
