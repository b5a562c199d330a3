#include "core/routing/drawn_rows.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/schema/hash.h"

namespace moesaic {
namespace {

/// Uniform in [0, 1).
double uniform(uint64_t draw, uint64_t index) {
  return static_cast<double>(splitmix64(splitmix64(draw) + index) >> 11) * 0x1p-53;
}

/// Adds `count` rows one by one to whichever of the rows is least, none above `most`. Returns what found no place.
int64_t fill_least(std::vector<int64_t>& rows, int64_t count, int64_t most) {
  while (count > 0) {
    const int64_t least = *std::min_element(rows.begin(), rows.end());
    if (least >= most) break;
    int64_t next = most;
    for (const int64_t value : rows)
      if (value > least) next = std::min(next, value);
    std::vector<int64_t*> lowest;
    for (int64_t& value : rows)
      if (value == least) lowest.push_back(&value);
    const auto width = static_cast<int64_t>(lowest.size());
    const int64_t step = std::min(next - least, count / width);
    if (step == 0) lowest.resize(static_cast<size_t>(std::min(count, width)));
    for (int64_t* value : lowest) *value += std::max<int64_t>(step, 1);
    count -= static_cast<int64_t>(lowest.size()) * std::max<int64_t>(step, 1);
  }
  return count;
}

using Groups = std::vector<std::vector<int64_t>>;

/// The groups take turns, each giving to its least expert.
void add_rows(Groups& groups, int64_t count, int64_t most) {
  const auto num_groups = static_cast<int64_t>(groups.size());
  int64_t left = 0;
  for (int64_t group = 0; group < num_groups; ++group)
    left +=
        fill_least(groups[static_cast<size_t>(group)], count / num_groups + (group < count % num_groups ? 1 : 0), most);
  for (auto& group : groups) left = fill_least(group, left, most);
}

/// The groups take turns, each taking from its largest expert.
void take_rows(Groups& groups, int64_t count) {
  for (size_t group = 0; count > 0; group = (group + 1) % groups.size()) {
    const auto largest = std::max_element(groups[group].begin(), groups[group].end());
    if (*largest > 0) --*largest, --count;
  }
}

int64_t sum_of(const std::vector<int64_t>& rows) { return std::accumulate(rows.begin(), rows.end(), int64_t{0}); }

}  // namespace

std::vector<int64_t> balanced_rows(int64_t tokens, int num_experts, int top_k, int ep) {
  const int64_t stride = (num_experts + top_k - 1) / top_k;
  std::vector<int64_t> rows(static_cast<size_t>(num_experts), 0);
  for (int64_t token = 0; token < tokens; ++token)
    for (int64_t choice = 0; choice < top_k; ++choice) {
      const int64_t first = tokens >= stride ? token : token * stride / tokens;
      ++rows[static_cast<size_t>((first + choice * stride) % num_experts)];
    }
  rows.resize(static_cast<size_t>(num_experts / ep));
  return rows;
}

std::vector<int64_t> power_law_rows(int64_t tokens, int num_experts, int top_k, int ep, double alpha, uint64_t draw) {
  const bool many = tokens * top_k > num_experts;
  const double least = many ? 1 : 0.01, most = many ? 0.8 * static_cast<double>(tokens) : 2;
  const double power = 1 - alpha, low = std::pow(least, power), high = std::pow(most, power);
  std::vector<double> popularity(static_cast<size_t>(num_experts));
  for (size_t expert = 0; expert < popularity.size(); ++expert)
    popularity[expert] = std::pow((high - low) * uniform(draw, expert) + low, 1 / power);
  const double total = std::accumulate(popularity.begin(), popularity.end(), 0.0);
  const auto choices = static_cast<double>(tokens * top_k);
  Groups groups(static_cast<size_t>(ep));
  int64_t cut_off = 0, kept = 0;
  for (size_t expert = 0; expert < popularity.size(); ++expert) {
    const int64_t rows = std::llround(popularity[expert] / total * choices);
    cut_off += std::max<int64_t>(0, rows - tokens);
    groups[expert / static_cast<size_t>(num_experts / ep)].push_back(std::min(rows, tokens));
  }
  add_rows(groups, cut_off, tokens);
  for (const auto& group : groups) kept += sum_of(group);
  const int64_t missing = tokens * top_k - kept;
  missing > 0 ? add_rows(groups, missing, tokens) : take_rows(groups, -missing);
  return *std::max_element(groups.begin(), groups.end(),
                           [](const auto& a, const auto& b) { return sum_of(a) < sum_of(b); });
}

}  // namespace moesaic
