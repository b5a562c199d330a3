#include "core/schema/whole_percents.h"

#include <algorithm>
#include <numeric>

namespace moesaic {

std::vector<int> whole_percents(const std::vector<int64_t>& counts) {
  const int64_t total = std::accumulate(counts.begin(), counts.end(), int64_t{0});
  std::vector<int> percents(counts.size(), 0);
  if (total == 0) return percents;
  for (size_t i = 0; i < counts.size(); ++i) percents[i] = static_cast<int>(100 * counts[i] / total);
  std::vector<size_t> order(counts.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return 100 * counts[a] % total > 100 * counts[b] % total; });
  const int missing = 100 - std::accumulate(percents.begin(), percents.end(), 0);
  for (int i = 0; i < missing; ++i) ++percents[order[static_cast<size_t>(i)]];
  return percents;
}

}  // namespace moesaic
