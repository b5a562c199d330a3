#include "executor/comm/slices.h"

#include <algorithm>

#include "core/schema/error.h"

namespace moesaic::executor {

std::vector<int64_t> even_slices(int64_t count, int parts) {
  MOESAIC_CHECK(count >= 0 && parts > 0, "slices need a count >= 0 and at least one part");
  const int64_t units = (count + kSliceAlignment - 1) / kSliceAlignment;
  const auto begin = [&](int part) { return std::min(count, kSliceAlignment * (units * part / parts)); };
  std::vector<int64_t> counts(parts);
  for (int part = 0; part < parts; ++part) counts[part] = begin(part + 1) - begin(part);
  return counts;
}

}  // namespace moesaic::executor
