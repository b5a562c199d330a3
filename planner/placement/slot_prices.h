#pragma once
// What the cost model says of one slot of an MoE layer, as the curve that placement adds up over the slots of a rank.
// The cost model prices the rows of a rank's slots together; the curve is its price where all slots have the same rows,
// and a factor of the layer says what other shares of the rows make of it.

#include "core/cost/cost_model.h"
#include "planner/placement/layer_cost.h"

namespace moesaic::planner {

class SlotPrices {
 public:
  /// Of the experts of one layer of the plan, forward and, in training, backward, by the plan's profile.
  explicit SlotPrices(const Plan& plan);

  /// Sets slot_curve, and its line, which is nowhere above it, of a model for a layer whose experts have `tokens` mean
  /// rows [num_placed_experts]:
  ///   curve(rows) = factor * price([rows] * slots) / slots
  ///   factor      = sum over ranks of the price of their slots / of the curve without it, with the experts dealt to
  ///                 the ranks in turn, by descending rows
  /// The points stand on both sides of the steps that tiles make.
  void set_curve(LayerCostModel& model, const std::vector<double>& tokens) const;

 private:
  Seconds price(const std::vector<int64_t>& slot_rows) const;
  double factor_of(const std::vector<double>& tokens) const;

  CostModel prices_;
  std::vector<Task> tasks_;  // [passes]
  int num_ranks_;
  int slots_;        // of a rank
  SlotCurve equal_;  // where all slots have the same rows
};

/// The line under a curve: seconds per row from `rows` to twice as many, and what is left of the curve where it is
/// lowest above that.
void set_line_under(LayerCostModel& model, double rows);

}  // namespace moesaic::planner
