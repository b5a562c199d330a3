#include "executor/reference/row_placement.h"

#include <algorithm>
#include <vector>

namespace moesaic::executor::reference {

// Slot by slot, the rows of the choices that it takes. Of an expert's n choices, or padded of its n rows, replica j of
// R takes those from floor(j n / R) to floor((j + 1) n / R).
std::vector<std::int64_t> place_rows(const std::int32_t* chosen, std::int64_t m, std::int64_t top_k,
                                     const RowPlacement& placement, std::int32_t* rows) {
  const auto [slots, slices, padded_rows] = placement;
  std::fill_n(rows, m * top_k * slices, -1);
  std::vector<std::int64_t> rows_of_slots(slots.size(), 0);
  std::int64_t row = 0;
  for (std::size_t slot = 0; slot < slots.size(); ++slot) {
    if (slots[slot] < 0) continue;
    std::vector<std::int64_t> choices;
    for (std::int64_t i = 0; i < m * top_k; ++i)
      if (chosen[i] == slots[slot] / slices) choices.push_back(i);
    const auto chosen_rows = static_cast<std::int64_t>(choices.size()), n = padded_rows > 0 ? padded_rows : chosen_rows;
    const auto here = slots.begin() + static_cast<std::ptrdiff_t>(slot);
    const auto replica = std::count(slots.begin(), here, *here),
               replicas = std::count(slots.begin(), slots.end(), *here);
    rows_of_slots[slot] = (replica + 1) * n / replicas - replica * n / replicas;
    for (std::int64_t taken = replica * n / replicas; taken < (replica + 1) * n / replicas; ++taken, ++row)
      if (taken < chosen_rows)
        rows[choices[static_cast<std::size_t>(taken)] * slices + *here % slices] = static_cast<std::int32_t>(row);
  }
  return rows_of_slots;
}

}  // namespace moesaic::executor::reference
