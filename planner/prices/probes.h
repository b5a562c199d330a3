#pragma once
// The few lowered steps from which forms of sizes follow: one structure, four sizes.

#include <array>
#include <vector>

#include "core/graph/task_graph.h"
#include "planner/prices/size_form.h"

namespace moesaic::planner {

/// Steps with the structure of a plan and the layers of `model`, of one microbatch, lowered at sizes that tell the
/// terms of a SizeForm apart.
class Probes {
 public:
  Probes(const Plan& plan, const Model& model);

  const TaskGraph& first() const { return graphs_[0]; }

  /// The form of a number that is `value(graph)` in each of the steps.
  template <typename Value>
  SizeForm form(const Value& value) const {
    std::vector<double> values;
    for (const TaskGraph& graph : graphs_) values.push_back(static_cast<double>(value(graph)));
    return solve(values);
  }

 private:
  SizeForm solve(const std::vector<double>& values) const;

  std::vector<StepSizes> sizes_;  // [probes]: the first; more tokens; more ranks; more of ep, as far as there are any
  std::vector<TaskGraph> graphs_;
};

/// What of a plan decides which tasks its step has, beside model, workload and cluster.
using StructureKey = std::array<int64_t, 16>;
StructureKey structure_key(const Plan& plan);

}  // namespace moesaic::planner
