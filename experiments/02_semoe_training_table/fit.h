#pragma once
// Constants that the paper does not give, from the one cell that is spent on them: its memory gives the sequence
// length, its throughput a curve of rates, of which the point nearest to stated priors is taken. No other cell is seen.

#include <vector>

#include "core/evaluate/evaluator.h"
#include "experiments/02_semoe_training_table/cells.h"

namespace moesaic::experiments {

/// Values that are tried, and where the constants are expected.
struct FitAxes {
  std::vector<int64_t> sequence_lengths, kept_bytes_per_score;
  std::vector<double> link_efficiencies, spine_oversubscriptions;
  double gemm_prior = 0.5, link_prior = 1;
  double memory_tolerance = 0.1;  // pairs with an error up to this fit as well
};

struct MemoryFit {
  int64_t sequence_length = 0, kept_bytes_per_score = 0;
  Bytes bytes = 0;
  double error = 0;  // of the paper's figure

  static void members(auto& self, auto visit) {
    visit("sequence_length", self.sequence_length);
    visit("kept_bytes_per_score", self.kept_bytes_per_score);
    visit("memory_bytes", self.bytes);
    visit("memory_error", self.error);
  }
};

struct Fit {
  Constants chosen;
  std::vector<MemoryFit> memory;    // every pair that was tried, best first
  std::vector<Constants> as_good;   // every combination of rates that gives the cell's throughput, the chosen included
  std::vector<Constants> too_slow;  // links that are too slow for the throughput even with GEMM at its peak
};

/// The cell: its row, its system, its figures.
struct FittedCell {
  planner::Problem row;
  planner::Fixed preset;
  double tokens_per_second = 0;
  Bytes memory_bytes = 0;
};

/// Deterministic. The throughput of every element of as_good is within 0.1 % of the cell's.
Fit fit_constants(const FittedCell& cell, const FitAxes& axes, Evaluator& evaluator);

}  // namespace moesaic::experiments
