#include "experiments/figures/statistics.h"

#include <algorithm>
#include <cmath>

#include "core/schema/error.h"

namespace moesaic::experiments {

double median(std::vector<double> values) {
  MOESAIC_CHECK(!values.empty(), "a median needs values");
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

double percentile(std::vector<double> values, double fraction) {
  MOESAIC_CHECK(!values.empty(), "a percentile needs values");
  std::sort(values.begin(), values.end());
  const auto rank = static_cast<size_t>(std::ceil(fraction * static_cast<double>(values.size())));
  return values[std::max<size_t>(rank, 1) - 1];
}

double repeat_noise(const std::vector<double>& repeats) {
  const auto [least, most] = std::minmax_element(repeats.begin(), repeats.end());
  return (*most - *least) / 2 / median(repeats);
}

std::vector<std::pair<size_t, size_t>> distinct_pairs(const std::vector<double>& values,
                                                      const std::vector<double>& noise) {
  std::vector<std::pair<size_t, size_t>> pairs;
  for (size_t i = 0; i < values.size(); ++i)
    for (size_t j = i + 1; j < values.size(); ++j)
      if (std::abs(values[i] - values[j]) > noise[i] * values[i] + noise[j] * values[j]) pairs.emplace_back(i, j);
  return pairs;
}

std::vector<std::pair<size_t, size_t>> pairs_within(const std::vector<std::pair<size_t, size_t>>& pairs,
                                                    const std::vector<int>& groups) {
  std::vector<std::pair<size_t, size_t>> within;
  for (const auto& [i, j] : pairs)
    if (groups[i] == groups[j]) within.emplace_back(i, j);
  return within;
}

std::vector<std::optional<double>> median_of_others(const std::vector<double>& values, const std::vector<int>& groups) {
  std::vector<std::optional<double>> medians(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    std::vector<double> others;
    for (size_t j = 0; j < values.size(); ++j)
      if (j != i && groups[j] == groups[i]) others.push_back(values[j]);
    if (!others.empty()) medians[i] = median(std::move(others));
  }
  return medians;
}

double kendall_tau(const std::vector<double>& a, const std::vector<double>& b,
                   const std::vector<std::pair<size_t, size_t>>& pairs) {
  if (pairs.empty()) return 0;
  double balance = 0;
  for (const auto& [i, j] : pairs) {
    const double product = (a[i] - a[j]) * (b[i] - b[j]);
    balance += product > 0 ? 1 : product < 0 ? -1 : 0;
  }
  return balance / static_cast<double>(pairs.size());
}

}  // namespace moesaic::experiments
