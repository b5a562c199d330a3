#include "executor/cuda/grouped_parts.h"

#include <algorithm>

namespace moesaic::executor::cuda {
namespace {

int64_t round_up(int64_t x, int64_t step) { return (x + step - 1) / step * step; }

// Neither number has been measured. Per step of 64 along the sum, a block of a pair loads 128 x 64 and half of 256 x 64
// elements for 128 x 256 results (wide), or half of 128 x 64 and 128 x 64 for 128 x 128 (narrow): 1.5 times as many
// bytes per result, taken as 15 % of the speed.
constexpr double kNarrowSpeed = 0.85;
// While a wide tile is stored its block multiplies nothing: 64 KiB through shared memory and new tensor descriptors,
// some 2.5 us. At 989 TFLOP/s on 132 SMs (H100 data sheet) 64 terms of 128 x 256 sums take 0.56 us.
constexpr int64_t kStoreAsTerms = 256;

}  // namespace

std::vector<GroupedPart> grouped_parts(GroupedProduct product, int64_t n, int64_t k,
                                       std::span<const GroupedProblem<BFloat16>> problems) {
  const bool forward = product == GroupedProduct::forward;
  const int64_t a_columns = forward ? k : n, c_columns = forward ? n : k;
  std::vector<GroupedPart> parts;
  for (const GroupedProblem<BFloat16>& p : problems) {
    const int64_t step = product == GroupedProduct::wgrad ? std::max<int64_t>(p.rows, 1) : kRowsPerPart;
    for (int64_t first = 0; first < p.rows; first += step)
      parts.push_back({p.a + first * a_columns, p.b, p.c + first * c_columns,
                       static_cast<int32_t>(std::min(step, p.rows - first))});
  }
  return parts;
}

GroupedTile grouped_tile(GroupedProduct product, int64_t n, int64_t k, std::span<const int64_t> rows_per_slot) {
  double wide = 0.0, narrow = 0.0;  // results x terms of their sums; the width is padded to 256 either way
  for (int64_t rows : rows_per_slot) {
    if (rows == 0) continue;
    const int64_t down = product == GroupedProduct::wgrad ? n : rows;
    const int64_t terms = round_up(product == GroupedProduct::wgrad     ? rows
                                   : product == GroupedProduct::forward ? k
                                                                        : n,
                                   64);
    wide += static_cast<double>(round_up(down, 256) * (terms + kStoreAsTerms));
    narrow += static_cast<double>(round_up(down, 128) * terms);
  }
  return kNarrowSpeed * wide <= narrow ? GroupedTile::wide : GroupedTile::narrow;
}

bool grouped_tiles_go_down(GroupedProduct product, int64_t n, int64_t k, int64_t rows) {
  const int64_t down = product == GroupedProduct::wgrad ? n : rows;
  const int64_t across = product == GroupedProduct::forward ? n : k;
  return round_up(down, 128) / 128 <= round_up(across, 256) / 256;
}

}  // namespace moesaic::executor::cuda
