#include "core/graph/shard.h"

#include <algorithm>
#include <numeric>

#include "core/schema/error.h"

namespace moesaic {
namespace {

/// Elements [first, last) of run r, or whole runs [r, r + runs) when first = 0 and last = run.
Piece part(const Piece& piece, int64_t r, int64_t runs, int64_t first, int64_t last, int64_t begin) {
  Piece result = piece;
  result.logical_offset += r * piece.logical_stride + first;
  result.local_offset += r * piece.local_stride + first - begin;
  result.run = last - first;
  result.runs = runs;
  if (runs == 1) result.logical_stride = result.local_stride = 0;
  return result;
}

}  // namespace

std::vector<Share> cut_rows(const std::string& tensor, const std::vector<RowBlock>& blocks, int64_t columns,
                            int64_t parts) {
  if (parts == 1) {
    const int64_t rows = std::accumulate(blocks.begin(), blocks.end(), int64_t{0},
                                         [](int64_t sum, const RowBlock& block) { return sum + block.rows; });
    return {{{tensor, 0, 0, 0, 0, rows * columns, 1}, 0}};
  }
  std::vector<Share> shares;
  int64_t logical = 0, local = 0;
  for (const RowBlock& block : blocks) {
    const int64_t block_parts = parts / block.sharers;
    MOESAIC_CHECK(parts % block.sharers == 0 && block.rows % block_parts == 0,
                  "rows of '" + tensor + "' do not divide evenly");
    const int64_t elements = block.rows / block_parts * columns;
    shares.push_back({{tensor, logical, 0, local, 0, elements, 1}, elements, block.sharers});
    logical += block.rows * columns;
    local += elements;
  }
  return shares;
}

std::vector<Share> cut_columns(const std::string& tensor, int64_t rows, int64_t columns, int64_t parts) {
  MOESAIC_CHECK(columns % parts == 0, "columns of '" + tensor + "' do not divide evenly");
  if (parts == 1) return {{{tensor, 0, 0, 0, 0, rows * columns, 1}, 0}};
  const int64_t run = columns / parts;
  return {{{tensor, 0, columns, 0, run, run, rows}, run}};
}

std::vector<Piece> clip(const Piece& piece, int64_t begin, int64_t end) {
  MOESAIC_CHECK(piece.runs == 1 || piece.local_stride >= piece.run, "runs of a piece overlap in memory");
  std::vector<Piece> parts;
  int64_t whole_first = -1, whole_runs = 0;
  const auto close = [&] {
    if (whole_runs > 0) parts.push_back(part(piece, whole_first, whole_runs, 0, piece.run, begin));
    whole_runs = 0;
  };
  for (int64_t r = 0; r < piece.runs; ++r) {
    const int64_t at = piece.local_offset + r * piece.local_stride;
    const int64_t first = std::clamp<int64_t>(begin - at, 0, piece.run),
                  last = std::clamp<int64_t>(end - at, 0, piece.run);
    if (first == 0 && last == piece.run) {
      if (whole_runs++ == 0) whole_first = r;
      continue;
    }
    close();
    if (first < last) parts.push_back(part(piece, r, 1, first, last, begin));
  }
  close();
  return parts;
}

}  // namespace moesaic
