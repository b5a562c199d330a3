#include "executor/cpu/own_choices.h"

#include <algorithm>

namespace moesaic::executor::cpu {
namespace {

int32_t place_of(int64_t row, std::span<const OwnRows> of_source) {
  auto after = std::upper_bound(of_source.begin(), of_source.end(), row,
                                [](int64_t r, const OwnRows& own) { return r < own.first + own.rows; });
  if (after == of_source.end() || row < after->first) return -1;
  return static_cast<int32_t>(after->to + row - after->first);
}

}  // namespace

void keep_own_rows(const OwnChoices& c) {
  const int64_t choices = c.source_choices * c.num_sources, of_source = c.source_choices * c.slices;
  std::copy_n(c.from.chosen, choices, c.to.chosen);
  std::copy_n(c.from.weights, choices, c.to.weights);
  for (int source = 0; source < c.num_sources; ++source) {
    const std::span<const OwnRows> own(c.own.data() + static_cast<std::ptrdiff_t>(source) * c.slots,
                                       static_cast<size_t>(c.slots));
    for (int64_t i = source * of_source; i < (source + 1) * of_source; ++i)
      c.to.rows[i] = c.from.rows[i] < 0 ? -1 : place_of(c.from.rows[i], own);
  }
}

}  // namespace moesaic::executor::cpu
