#include "experiments/01_does_the_simulator_predict_the_executor/summary.h"

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "experiments/figures/statistics.h"

namespace moesaic::experiments {
namespace {

using Pairs = std::vector<std::pair<size_t, size_t>>;

/// What was measured, plan by plan, and the pairs of plans that it tells apart.
struct Measurement {
  std::vector<double> seconds, noise;       // [plans]
  std::vector<int> ranks;                   // [plans]
  std::vector<std::vector<double>> rounds;  // [rounds, plans] seconds
  Pairs distinct, distinct_of_equal_ranks;
};

Measurement measurement_of(const std::vector<FidelityRow>& plans) {
  Measurement m;
  m.rounds.resize(plans.at(0).repeats_s.size());
  for (const FidelityRow& plan : plans) {
    m.seconds.push_back(median(plan.repeats_s));
    m.noise.push_back(repeat_noise(plan.repeats_s));
    m.ranks.push_back(plan.ranks);
    for (size_t round = 0; round < m.rounds.size(); ++round) m.rounds[round].push_back(plan.repeats_s.at(round));
  }
  m.distinct = distinct_pairs(m.seconds, m.noise);
  m.distinct_of_equal_ranks = pairs_within(m.distinct, m.ranks);
  return m;
}

std::vector<double> errors_of(const std::vector<double>& predicted, const std::vector<double>& measured) {
  std::vector<double> errors;
  for (size_t i = 0; i < measured.size(); ++i) errors.push_back(predicted[i] / measured[i] - 1);
  return errors;
}

std::vector<double> sizes_of(std::vector<double> values) {
  for (double& value : values) value = std::abs(value);
  return values;
}

/// Tau of one round against another over the same pairs: what a perfect forecast of this noisy machine could reach.
double ceiling(const Measurement& m, const Pairs& pairs) {
  double sum = 0;
  int pairs_of_rounds = 0;
  for (size_t a = 0; a < m.rounds.size(); ++a)
    for (size_t b = a + 1; b < m.rounds.size(); ++b, ++pairs_of_rounds)
      sum += kendall_tau(m.rounds[a], m.rounds[b], pairs);
  return pairs_of_rounds > 0 ? sum / pairs_of_rounds : 1;
}

/// Errors and order of one cost model; `recorded` is empty or has a prediction for every plan.
ModelFigures figures(const std::vector<double>& as_planned, const std::vector<double>& recorded, const Measurement& m) {
  const std::vector<double> total = errors_of(as_planned, m.seconds);
  ModelFigures made;
  made.median_step_error = median(sizes_of(total));
  made.p95_step_error = percentile(sizes_of(total), 0.95);
  if (!recorded.empty()) {
    const std::vector<double> prices = errors_of(recorded, m.seconds);
    std::vector<double> routing;
    for (size_t i = 0; i < total.size(); ++i) routing.push_back(std::abs(total[i] - prices[i]));
    made.median_error_of_cost = median(sizes_of(prices));
    made.p95_error_of_cost = percentile(sizes_of(prices), 0.95);
    made.median_error_of_routing = median(routing);
  }
  made.kendall_tau = kendall_tau(as_planned, m.seconds, m.distinct);
  made.kendall_tau_within_rank_counts = kendall_tau(as_planned, m.seconds, m.distinct_of_equal_ranks);
  return made;
}

/// Over the plans that have another one with as many ranks.
NullFigures null_figures(const Measurement& m) {
  const std::vector<std::optional<double>> forecast = median_of_others(m.seconds, m.ranks);
  std::vector<double> errors;
  for (size_t i = 0; i < forecast.size(); ++i)
    if (forecast[i]) errors.push_back(std::abs(*forecast[i] / m.seconds[i] - 1));
  if (errors.empty()) return {};
  return {median(errors), percentile(errors, 0.95)};
}

std::vector<PairsOfRanks> pairs_by_ranks(const Measurement& m) {
  std::map<int, int> count;
  for (const auto& [i, j] : m.distinct_of_equal_ranks) ++count[m.ranks[i]];
  std::vector<PairsOfRanks> pairs;
  for (const auto& [ranks, number] : count) pairs.push_back({ranks, number});
  return pairs;
}

std::vector<BiasOfRanks> bias_by_ranks(const std::vector<double>& predicted, const Measurement& m) {
  const std::vector<double> errors = errors_of(predicted, m.seconds);
  std::map<int, std::vector<double>> of_ranks;
  for (size_t i = 0; i < errors.size(); ++i) of_ranks[m.ranks[i]].push_back(errors[i]);
  std::vector<BiasOfRanks> biases;
  for (const auto& [ranks, of_plans] : of_ranks) biases.push_back({ranks, median(of_plans)});
  return biases;
}

FidelityRow read_row(const Field& field, size_t rounds) {
  FidelityRow row;
  take(field, row);
  ObjectReader object = field.object();
  const Field repeats = object["repeats_s"];
  if (row.repeats_s.size() != rounds) repeats.refuse("has not a time of every round", std::to_string(rounds));
  for (const double seconds : row.repeats_s)
    if (seconds <= 0) repeats.refuse("has a time that is not positive", "positive seconds");
  return row;
}

}  // namespace

FidelitySummary fidelity_summary(const std::vector<FidelityRow>& rows) {
  const Measurement m = measurement_of(rows);
  std::vector<double> ours, ours_recorded, plain, plain_recorded;
  for (const FidelityRow& row : rows) {
    ours.push_back(row.predicted_s);
    ours_recorded.push_back(row.predicted_with_recorded_routing_s);
    plain.push_back(row.plain_model_s);
    if (row.plain_model_with_recorded_routing_s) plain_recorded.push_back(*row.plain_model_with_recorded_routing_s);
  }
  if (plain_recorded.size() < plain.size()) plain_recorded.clear();
  FidelitySummary summary;
  summary.ours = figures(ours, ours_recorded, m);
  summary.plain_model = figures(plain, plain_recorded, m);
  summary.null_model = null_figures(m);
  summary.pairs_above_noise = static_cast<int>(m.distinct.size());
  summary.pairs_above_noise_within_rank_counts = pairs_by_ranks(m);
  for (const std::vector<double>& round : m.rounds) summary.bias_of_rounds.push_back(median(errors_of(ours, round)));
  summary.bias_of_ranks = bias_by_ranks(ours, m);
  summary.tau_of_measurement_with_itself = ceiling(m, m.distinct);
  summary.tau_of_measurement_with_itself_within_rank_counts = ceiling(m, m.distinct_of_equal_ranks);
  summary.median_repeat_noise = median(m.noise);
  return summary;
}

Json with_summary_of_rows(const Json& result, const std::string& file) {
  ObjectReader reader = open_document(result, file, "", FidelityResult::kKind);
  const auto rounds = static_cast<size_t>(reader["rounds"].integer({2, 100}));
  const Field rows = reader["rows"];
  if (rows.size() == 0) rows.refuse("has no plans");
  Json summary;
  put(summary, fidelity_summary(rows.each([&](const Field& row) { return read_row(row, rounds); })));
  Json again = result;
  again["summary"].update(summary, /*merge_objects=*/true);
  return again;
}

}  // namespace moesaic::experiments
