#pragma once
// Medians, quantiles, noise and the order of measurements. Pure functions of numbers.

#include <cstddef>
#include <utility>
#include <vector>

namespace moesaic::experiments {

double median(std::vector<double> values);
/// Of one figure of every row.
template <typename Row, typename Figure>
double median(const std::vector<Row>& rows, Figure Row::*figure) {
  std::vector<double> values;
  for (const Row& row : rows) values.push_back(static_cast<double>(row.*figure));
  return median(std::move(values));
}
/// Nearest rank: the smallest value that at least `fraction` of the values do not exceed.
double percentile(std::vector<double> values, double fraction);

/// Half the spread of repeated measurements relative to their median: (max - min) / 2 / median.
double repeat_noise(const std::vector<double>& repeats);

/// Pairs (i, j) whose values differ by more than the noise of both: |v_i - v_j| > noise_i v_i + noise_j v_j.
std::vector<std::pair<size_t, size_t>> distinct_pairs(const std::vector<double>& values,
                                                      const std::vector<double>& noise);

/// Kendall's tau over the given pairs: (concordant - discordant) / pairs; a tie in either list counts for neither. 0
/// without pairs.
double kendall_tau(const std::vector<double>& a, const std::vector<double>& b,
                   const std::vector<std::pair<size_t, size_t>>& pairs);

}  // namespace moesaic::experiments
