#include "planner/bounds/least_rows.h"

#include <algorithm>
#include <functional>
#include <numeric>

namespace moesaic::planner {
namespace {

/// What is left of the rows where the `places` largest stay.
int64_t beyond(std::vector<int64_t> rows, int64_t places) {
  const auto kept = static_cast<ptrdiff_t>(std::min<int64_t>(places, std::ssize(rows)));
  std::nth_element(rows.begin(), rows.begin() + std::max<ptrdiff_t>(0, kept - 1), rows.end(), std::greater<>());
  return std::accumulate(rows.begin() + kept, rows.end(), int64_t{0});
}

}  // namespace

LeastRows least_rows(const SlotCounts& counts, int slots_per_rank, int ranks_per_node) {
  const int sources = counts.num_sources(), ranks = counts.num_ranks(), experts = ranks * counts.slots_per_rank();
  LeastRows least;
  least.sources = sources;
  std::vector<int64_t> of_expert(static_cast<size_t>(experts), 0);
  for (int source = 0; source < sources; ++source) {
    std::vector<int64_t> own(static_cast<size_t>(experts));
    for (int expert = 0; expert < experts; ++expert) {
      own[static_cast<size_t>(expert)] = counts.at(source, expert);
      of_expert[static_cast<size_t>(expert)] += counts.at(source, expert);
    }
    least.leave_rank += static_cast<double>(beyond(own, slots_per_rank)) / sources;
    least.leave_node += static_cast<double>(beyond(own, int64_t{slots_per_rank} * ranks_per_node)) / sources;
  }
  least.total = std::accumulate(of_expert.begin(), of_expert.end(), int64_t{0});
  least.sent = static_cast<double>(least.total) / sources;
  least.most_in_slot = *std::max_element(of_expert.begin(), of_expert.end());
  const int64_t spare = int64_t{slots_per_rank} * ranks - experts;
  const double hottest = static_cast<double>(least.most_in_slot) / static_cast<double>(1 + std::max<int64_t>(0, spare));
  least.mean_received = static_cast<double>(least.total) / ranks;
  least.received = std::max(least.mean_received, hottest);
  return least;
}

}  // namespace moesaic::planner
