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

Measurement measurement_of(const std::vector<MeasuredPlan>& plans) {
  Measurement m;
  m.rounds.resize(plans.at(0).repeats_s.size());
  for (const MeasuredPlan& plan : plans) {
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
Json figures(const std::vector<double>& as_planned, const std::vector<double>& recorded, const Measurement& m) {
  const std::vector<double> total = errors_of(as_planned, m.seconds);
  Json json = {{"median_step_error", median(sizes_of(total))}, {"p95_step_error", percentile(sizes_of(total), 0.95)}};
  if (!recorded.empty()) {
    const std::vector<double> prices = errors_of(recorded, m.seconds);
    std::vector<double> routing;
    for (size_t i = 0; i < total.size(); ++i) routing.push_back(std::abs(total[i] - prices[i]));
    json["median_error_of_cost"] = median(sizes_of(prices));
    json["p95_error_of_cost"] = percentile(sizes_of(prices), 0.95);
    json["median_error_of_routing"] = median(routing);
  }
  json["kendall_tau"] = kendall_tau(as_planned, m.seconds, m.distinct);
  json["kendall_tau_within_rank_counts"] = kendall_tau(as_planned, m.seconds, m.distinct_of_equal_ranks);
  return json;
}

/// Over the plans that have another one with as many ranks.
Json null_figures(const Measurement& m) {
  const std::vector<std::optional<double>> forecast = median_of_others(m.seconds, m.ranks);
  std::vector<double> errors;
  for (size_t i = 0; i < forecast.size(); ++i)
    if (forecast[i]) errors.push_back(std::abs(*forecast[i] / m.seconds[i] - 1));
  if (errors.empty()) return Json::object();
  return {{"median_step_error", median(errors)}, {"p95_step_error", percentile(errors, 0.95)}};
}

Json pairs_by_ranks(const Measurement& m) {
  std::map<int, int> count;
  for (const auto& [i, j] : m.distinct_of_equal_ranks) ++count[m.ranks[i]];
  Json json = Json::array();
  for (const auto& [ranks, pairs] : count) json.push_back({{"ranks", ranks}, {"pairs", pairs}});
  return json;
}

MeasuredPlan read_row(ObjectReader row) {
  MeasuredPlan plan;
  plan.ranks = static_cast<int>(row["ranks"].integer(kCount));
  plan.repeats_s = row["repeats_s"].numbers(kPositive);
  plan.predicted_s = row["predicted_s"].number(kPositive);
  plan.predicted_with_recorded_routing_s = row["predicted_with_recorded_routing_s"].number(kPositive);
  plan.plain_model_s = row["plain_model_s"].number(kPositive);
  if (const Field recorded = row["plain_model_with_recorded_routing_s"]; recorded.present())
    plan.plain_model_with_recorded_routing_s = recorded.number(kPositive);
  return plan;
}

}  // namespace

Json fidelity_summary(const std::vector<MeasuredPlan>& plans) {
  const Measurement m = measurement_of(plans);
  std::vector<double> ours, ours_recorded, plain, plain_recorded;
  for (const MeasuredPlan& plan : plans) {
    ours.push_back(plan.predicted_s);
    ours_recorded.push_back(plan.predicted_with_recorded_routing_s);
    plain.push_back(plan.plain_model_s);
    if (plan.plain_model_with_recorded_routing_s) plain_recorded.push_back(*plan.plain_model_with_recorded_routing_s);
  }
  if (plain_recorded.size() < plain.size()) plain_recorded.clear();
  Json bias = Json::array();
  for (const std::vector<double>& round : m.rounds) bias.push_back(median(errors_of(ours, round)));
  return {{"ours", figures(ours, ours_recorded, m)},
          {"plain_model", figures(plain, plain_recorded, m)},
          {"null_model", null_figures(m)},
          {"pairs_above_noise", m.distinct.size()},
          {"pairs_above_noise_within_rank_counts", pairs_by_ranks(m)},
          {"bias_of_rounds", bias},
          {"tau_of_measurement_with_itself", ceiling(m, m.distinct)},
          {"tau_of_measurement_with_itself_within_rank_counts", ceiling(m, m.distinct_of_equal_ranks)},
          {"median_repeat_noise", median(m.noise)}};
}

Json with_summary_of_rows(const Json& result, const std::string& file) {
  ObjectReader reader = open_document(result, file, "", "result");
  const auto rounds = static_cast<size_t>(reader["rounds"].integer({2, 100}));
  const Field rows = reader["rows"];
  if (rows.size() == 0) rows.refuse("has no plans");
  const std::vector<MeasuredPlan> plans = rows.each([&](const Field& row) {
    MeasuredPlan plan = read_row(row.object());
    if (plan.repeats_s.size() != rounds)
      row.object()["repeats_s"].refuse("has not a time of every round", std::to_string(rounds));
    return plan;
  });
  Json again = result;
  again["summary"].update(fidelity_summary(plans), /*merge_objects=*/true);
  return again;
}

}  // namespace moesaic::experiments
