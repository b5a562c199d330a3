#pragma once
// The result document of a fidelity study. Errors are fractions.

#include "experiments/laboratory/record.h"

namespace moesaic::experiments {

/// Errors and order of one cost model. What needs predictions with the recorded routing is absent without them.
struct ModelFigures {
  double median_step_error = 0, p95_step_error = 0;
  std::optional<double> median_error_of_cost, p95_error_of_cost, median_error_of_routing;
  double kendall_tau = 0, kendall_tau_within_rank_counts = 0;

  static void members(auto& self, auto visit) {
    visit("median_step_error", self.median_step_error);
    visit("p95_step_error", self.p95_step_error);
    visit("median_error_of_cost", self.median_error_of_cost);
    visit("p95_error_of_cost", self.p95_error_of_cost);
    visit("median_error_of_routing", self.median_error_of_routing);
    visit("kendall_tau", self.kendall_tau);
    visit("kendall_tau_within_rank_counts", self.kendall_tau_within_rank_counts);
  }
};

/// Of the median of the other plans on as many ranks, where some plan has such. It has no prices and no routing, and
/// its order says nothing.
struct NullFigures {
  std::optional<double> median_step_error, p95_step_error;

  static void members(auto& self, auto visit) {
    visit("median_step_error", self.median_step_error);
    visit("p95_step_error", self.p95_step_error);
  }
};

struct PairsOfRanks {
  int ranks = 1, pairs = 0;

  static void members(auto& self, auto visit) {
    visit("ranks", self.ranks);
    visit("pairs", self.pairs);
  }
};

struct BiasOfRanks {
  int ranks = 1;
  double bias = 0;  // median of predicted / measured - 1

  static void members(auto& self, auto visit) {
    visit("ranks", self.ranks);
    visit("bias", self.bias);
  }
};

struct FidelitySummary {
  ModelFigures ours, plain_model;
  NullFigures null_model;
  int pairs_above_noise = 0;
  std::vector<PairsOfRanks> pairs_above_noise_within_rank_counts;
  std::vector<double> bias_of_rounds;  // [rounds] median of predicted / measured - 1
  std::vector<BiasOfRanks> bias_of_ranks;
  double tau_of_measurement_with_itself = 0, tau_of_measurement_with_itself_within_rank_counts = 0;
  double median_repeat_noise = 0;

  static void members(auto& self, auto visit) {
    visit("ours", self.ours);
    visit("plain_model", self.plain_model);
    visit("null_model", self.null_model);
    visit("pairs_above_noise", self.pairs_above_noise);
    visit("pairs_above_noise_within_rank_counts", self.pairs_above_noise_within_rank_counts);
    visit("bias_of_rounds", self.bias_of_rounds);
    visit("bias_of_ranks", self.bias_of_ranks);
    visit("tau_of_measurement_with_itself", self.tau_of_measurement_with_itself);
    visit("tau_of_measurement_with_itself_within_rank_counts", self.tau_of_measurement_with_itself_within_rank_counts);
    visit("median_repeat_noise", self.median_repeat_noise);
  }
};

/// One plan. Predictions: as planned, and with the routing that the last run recorded.
struct FidelityRow {
  std::string plan;
  int ranks = 1;
  bool near_best = false;
  Seconds measured_s = 0;  // the median of the rounds
  double repeat_noise = 0;
  std::vector<double> repeats_s;  // [rounds] the median step of each round
  Seconds predicted_s = 0, predicted_with_recorded_routing_s = 0;
  Seconds plain_model_s = 0;
  std::optional<double> plain_model_with_recorded_routing_s;  // absent in older results

  static void members(auto& self, auto visit) {
    visit("plan", self.plan);
    visit("ranks", self.ranks);
    visit("near_best", self.near_best);
    visit("measured_s", self.measured_s);
    visit("repeat_noise", self.repeat_noise);
    visit("repeats_s", self.repeats_s);
    visit("predicted_s", self.predicted_s);
    visit("predicted_with_recorded_routing_s", self.predicted_with_recorded_routing_s);
    visit("plain_model_s", self.plain_model_s);
    visit("plain_model_with_recorded_routing_s", self.plain_model_with_recorded_routing_s);
  }
};

struct FidelityResult {
  static constexpr const char* kKind = "result";
  std::string experiment, machine, profile_date;
  int plans = 0, rounds = 0;
  int64_t steps = 0;
  FidelitySummary summary;
  std::vector<FidelityRow> rows;

  static void members(auto& self, auto visit) {
    visit("experiment", self.experiment);
    visit("machine", self.machine);
    visit("profile_date", self.profile_date);
    visit("plans", self.plans);
    visit("rounds", self.rounds);
    visit("steps", self.steps);
    visit("summary", self.summary);
    visit("rows", self.rows);
  }
};

}  // namespace moesaic::experiments
