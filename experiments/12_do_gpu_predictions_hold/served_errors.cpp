#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>
#include <tuple>

#include "experiments/12_do_gpu_predictions_hold/result.h"
#include "experiments/figures/statistics.h"

namespace moesaic::experiments {
namespace {

using ServedRows = std::vector<const ServedRow*>;

std::vector<double> each(const ServedRows& rows, const std::function<double(const ServedRow&)>& figure) {
  std::vector<double> values;
  for (const ServedRow* row : rows) values.push_back(figure(*row));
  return values;
}

double error(const ServedRow& row) { return std::abs(row.error()); }
double null_error(const ServedRow& row) { return std::abs(row.null_error()); }

/// Numbers of what the rows serve, and to which requests: the rows of a number answer one question.
std::vector<int> questions(const ServedRows& rows) {
  std::map<std::tuple<std::string, std::string, int64_t, int64_t, int64_t>, int> numbers;
  std::vector<int> questions;
  for (const ServedRow* row : rows) {
    const ServedConfiguration& s = row->served;
    const auto key = std::make_tuple(s.model, s.device, s.input, s.output, s.sequences);
    questions.push_back(numbers.try_emplace(key, static_cast<int>(numbers.size())).first->second);
  }
  return questions;
}

int64_t in_order(const std::vector<double>& measured, const std::vector<double>& predicted,
                 const std::vector<std::pair<size_t, size_t>>& pairs) {
  return std::count_if(pairs.begin(), pairs.end(), [&](const std::pair<size_t, size_t>& pair) {
    return (measured[pair.first] - measured[pair.second]) * (predicted[pair.first] - predicted[pair.second]) > 0;
  });
}

std::string most_bound_by(const ServedRows& rows) {
  std::map<std::string, int> classes;
  for (const ServedRow* row : rows) ++classes[row->bound_by];
  return std::max_element(classes.begin(), classes.end(),
                          [](const auto& a, const auto& b) { return a.second < b.second; })
      ->first;
}

ServedErrors errors_of(const std::string& of, const ServedRows& rows) {
  constexpr double kNoise = 0.01;  // of each of a pair; engines of one version scatter by 2 to 5 %
  const auto measured = each(rows, [](const ServedRow& row) { return row.served.token_s; });
  const auto pairs = pairs_within(distinct_pairs(measured, std::vector<double>(rows.size(), kNoise)), questions(rows));
  return {of,
          most_bound_by(rows),
          std::ssize(rows),
          std::count_if(rows.begin(), rows.end(), [](const ServedRow* row) { return !row->fits; }),
          median(each(rows, error)),
          std::accumulate(rows.begin(), rows.end(), 0.0, [](double sum, auto* row) { return sum + error(*row); }) /
              static_cast<double>(rows.size()),
          percentile(each(rows, error), 0.9),
          median(each(rows, [](const ServedRow& row) { return row.error(); })),
          median(each(rows, null_error)),
          percentile(each(rows, null_error), 0.9),
          median(each(rows, [](const ServedRow& row) { return std::abs(row.error_with_prefills()); })),
          median(each(rows, [](const ServedRow& row) { return row.error_with_prefills(); })),
          std::ssize(pairs),
          in_order(measured, each(rows, [](const ServedRow& row) { return row.predicted_s; }), pairs),
          in_order(measured, each(rows, [](const ServedRow& row) { return row.null_s; }), pairs)};
}

}  // namespace

std::vector<ServedErrors> served_errors(const std::vector<ServedRow>& rows) {
  const std::vector<std::function<std::string(const ServedRow&)>> groupings = {
      [](const ServedRow&) { return std::string("all"); }, [](const ServedRow& row) { return row.served.device; },
      [](const ServedRow& row) { return row.served.model + (row.served.weights ? " in " + *row.served.weights : ""); },
      [](const ServedRow& row) { return row.served.engine.substr(0, row.served.engine.find(' ')); }};
  std::vector<ServedErrors> errors;
  for (const auto& group_of : groupings) {
    std::map<std::string, ServedRows> groups;
    for (const ServedRow& row : rows) groups[group_of(row)].push_back(&row);
    for (const auto& [name, members] : groups) errors.push_back(errors_of(name, members));
  }
  return errors;
}

}  // namespace moesaic::experiments
