#pragma once
// What the paper does not say, from the one cell that is spent on it: of all combinations that are tried the one whose
// throughput and memory come nearest. No other cell is seen, and no rate or efficiency is fitted.

#include <vector>

#include "core/evaluate/evaluator.h"
#include "experiments/02_semoe_training_table/cells.h"

namespace moesaic::experiments {

/// Values that are tried, each with each.
struct FitAxes {
  std::vector<int64_t> sequence_lengths, top_ks;
  std::vector<double> capacity_factors;
  std::vector<BytesPerSecond> card_rates;
  std::vector<int64_t> keeps_scores;  // 0, 1
};

/// The cell: its row, both systems, the baseline's figures.
struct FittedCell {
  planner::Problem row;
  planner::Fixed baseline, system;
  double tokens_per_second = 0;
  Bytes memory_bytes = 0;
};

struct TriedUnknowns {
  Unknowns unknowns;
  double throughput_error = 0, memory_error = 0;  // fractions of the cell's figures
  double ratio = 0;                               // of the row, system to baseline

  /// sqrt(ln^2(1 + throughput_error) + ln^2(1 + memory_error)): factors count alike up and down.
  double distance() const;

  static void members(auto& self, auto visit) {
    Unknowns::members(self.unknowns, visit);
    visit("throughput_error", self.throughput_error);
    visit("memory_error", self.memory_error);
    visit("ratio", self.ratio);
  }
};

/// Every combination with which both systems fit into their devices, the nearest first. Deterministic.
std::vector<TriedUnknowns> try_unknowns(const FittedCell& cell, const FitAxes& axes, Evaluator& evaluator);

}  // namespace moesaic::experiments
