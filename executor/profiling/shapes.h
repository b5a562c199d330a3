#pragma once
// Which curves a set of plans needs: the distinct operators of their steps and the rows at which to measure each.
// It runs nothing.

#include <string>
#include <vector>

#include "core/graph/task_graph.h"

namespace moesaic::executor {

/// One curve to measure.
struct OperatorShape {
  Op op = Op::add;
  DType dtype = DType::f32;  // of the curve (core/cost/signature.h)
  OpShape shape;
  size_t plan = 0;                    // index of the first plan that has it
  std::vector<int64_t> own_rows;      // those of the plans; all three lists ascend and share nothing
  std::vector<int64_t> range_rows;    // the fewest and the most that routing gives
  std::vector<int64_t> further_rows;  // for other plans, and between
  bool operator==(const OperatorShape&) const = default;
};

/// In the order in which the steps first use them.
///  - Tasks of fixed rows: half the smallest and twice the largest are further rows.
///  - Routed tasks: eight rows in geometric steps from 1 to twice what would arrive if every token of the job chose
///    this rank. The first and the last are their range, the rows of balanced routing the plan's own. Experts count the
///    rows of one slot, 4 more than a multiple of 8: as unlucky as routing is on average.
/// Rows are whole sequences for attention, whole tokens (top_k rows) for permutation.
std::vector<OperatorShape> collect_shapes(const std::vector<Plan>& plans);

/// The same plan in the form in which operators are measured: no chunks, padding, buckets or second all-to-all phase.
/// Its step has a task of every signature that the step of `plan` has.
Plan measured_form(const Plan& plan);

/// Rows of every slot-based tensor under balanced routing.
int64_t balanced_rows(const Plan& plan, const TaskGraph& graph);

}  // namespace moesaic::executor
