#include "planner/placement/slot_prices.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

#include "core/cost/table_base.h"

namespace moesaic::planner {
namespace {

/// Rows at which the curve has points, up to the most that one expert can have: powers of two within a tile, then the
/// last row of a tile and the first of the next, of each of 16 tiles and then of ever 8 % more.
std::vector<int64_t> rows_of_points(int64_t most) {
  std::vector<int64_t> rows;
  for (int64_t at = 1; at < kRowsPerTile && at < most; at *= 2) rows.push_back(at);
  for (int64_t tiles = 1; tiles * kRowsPerTile < most; tiles += std::max<int64_t>(1, tiles / 12)) {
    rows.push_back(tiles * kRowsPerTile);
    if (tiles <= 16) rows.push_back(tiles * kRowsPerTile + 1);
  }
  if (rows.empty() || rows.back() < most) rows.push_back(most);
  return rows;
}

std::vector<Task> passes_of(const Plan& plan) {
  const bool training = plan.workload.phase == WorkloadPhase::training;
  std::vector<Task> tasks;
  for (const Op op : {Op::experts, Op::experts_dgrad, Op::experts_wgrad}) {
    if (op != Op::experts && !training) break;
    Task& task = tasks.emplace_back();
    task.op = op;
    task.shape.n = plan.model.expert_intermediate / plan.layout.expert_slices;
    task.shape.k = plan.model.hidden;
    task.shape.gated = plan.model.activation == Activation::swiglu;
    task.dtype = plan.workload.compute_dtype;
    if (!training) task.stored_dtype = plan.model.expert_dtype;
  }
  return tasks;
}

/// Tokens of a microbatch over an expert-parallel group: each visits an expert once.
int64_t most_rows(const Plan& plan) {
  const int64_t sources = int64_t{plan.layout.stage_ranks()} * plan.layout.micro_batches;
  return std::max<int64_t>(1, plan.workload.tokens_per_step() * plan.layout.ep / sources);
}

}  // namespace

SlotPrices::SlotPrices(const Plan& plan)
    : prices_(plan.profile, plan.cluster),
      tasks_(passes_of(plan)),
      num_ranks_(plan.layout.ep),
      slots_(static_cast<int>(std::max<int64_t>(1, num_placed_experts(plan) / plan.layout.ep))) {
  double highest = 0;  // a table's curve may fall where its kernels change; placement wants one that does not
  for (const int64_t rows : rows_of_points(most_rows(plan))) {
    const Seconds all = price(std::vector<int64_t>(static_cast<size_t>(slots_), rows));
    equal_.rows.push_back(static_cast<double>(rows));
    equal_.seconds.push_back(highest = std::max(highest, all / slots_));
  }
}

Seconds SlotPrices::price(const std::vector<int64_t>& slot_rows) const {
  return std::accumulate(tasks_.begin(), tasks_.end(), 0.0,
                         [&](Seconds sum, const Task& task) { return sum + prices_.experts(task, slot_rows).seconds; });
}

double SlotPrices::factor_of(const std::vector<double>& tokens) const {
  std::vector<double> sorted = tokens;
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  LayerCostModel equal;
  equal.slot_curve = equal_;
  double together = 0, alone = 0;
  for (size_t rank = 0; rank < static_cast<size_t>(num_ranks_); ++rank) {
    std::vector<int64_t> slot_rows;
    for (size_t i = rank; i < sorted.size(); i += static_cast<size_t>(num_ranks_)) {
      slot_rows.push_back(std::llround(sorted[i]));
      alone += slot_seconds(equal, static_cast<double>(slot_rows.back()));
    }
    if (!slot_rows.empty()) together += price(slot_rows);
  }
  return alone > 0 && together > 0 ? together / alone : 1.0;
}

void SlotPrices::set_curve(LayerCostModel& model, const std::vector<double>& tokens) const {
  const double factor = factor_of(tokens);
  model.slot_curve = equal_;
  for (double& seconds : model.slot_curve.seconds) seconds *= factor;
  const double mean = std::accumulate(tokens.begin(), tokens.end(), 0.0) / static_cast<double>(tokens.size());
  set_line_under(model, std::max(1.0, mean));
}

void set_line_under(LayerCostModel& model, double rows) {
  const auto& [at, seconds] = model.slot_curve;
  const auto rest_above = [&](double per_row) {
    double least = std::numeric_limits<double>::infinity();
    for (size_t i = 0; i < at.size(); ++i) least = std::min(least, seconds[i] - per_row * at[i]);
    return least;
  };
  double per_row = (slot_seconds(model, 2 * rows) - slot_seconds(model, rows)) / rows;
  if (rest_above(per_row) < 0) {  // steeper than the curve on the whole: through the origin then
    per_row = std::numeric_limits<double>::infinity();
    for (size_t i = 0; i < at.size(); ++i) per_row = std::min(per_row, seconds[i] / at[i]);
  }
  model.seconds_per_row = per_row;
  model.seconds_per_active_expert = std::max(0.0, rest_above(per_row));
}

}  // namespace moesaic::planner
