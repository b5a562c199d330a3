#pragma once
// Medians, quantiles, noise and the order of measurements. Pure functions of numbers.

#include <cstddef>
#include <optional>
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

/// Those of the pairs whose two values are of the same group.
std::vector<std::pair<size_t, size_t>> pairs_within(const std::vector<std::pair<size_t, size_t>>& pairs,
                                                    const std::vector<int>& groups);

/// For each value the median of the other values of its group; nothing for one that is alone in it. As a forecast of
/// that value it is the null model: it knows the group and nothing else. Leaving a value out moves the median of the
/// rest away from it, so within a group the order of this forecast says nothing.
std::vector<std::optional<double>> median_of_others(const std::vector<double>& values, const std::vector<int>& groups);

/// Kendall's tau over the given pairs: (concordant - discordant) / pairs; a tie in either list counts for neither. 0
/// without pairs.
double kendall_tau(const std::vector<double>& a, const std::vector<double>& b,
                   const std::vector<std::pair<size_t, size_t>>& pairs);

}  // namespace moesaic::experiments
