#pragma once
// Which elements of the logical tensors (those of the un-partitioned model) a rank's tensor holds. Initial values,
// checkpoints and comparisons between layouts all start from it; it holds no data.

#include <cstdint>
#include <string>
#include <vector>

namespace moesaic {

/// `runs` equally long runs of one logical tensor inside a local one: for r < runs, i < run:
/// local[local_offset + r * local_stride + i] is logical[logical_offset + r * logical_stride + i]. Elements, not bytes.
struct Piece {
  std::string tensor;  // "layers.3.qkv", "layers.3.experts.5.up"
  int64_t logical_offset = 0, logical_stride = 0;
  int64_t local_offset = 0, local_stride = 0;
  int64_t run = 0, runs = 1;
  bool is_copy = false;  // another slot that holds the same expert stands for the elements, as where they are saved

  int64_t elements() const { return run * runs; }
  bool operator==(const Piece&) const = default;
};

/// A piece of the member at position 0 of a partition; the member at position p holds it p / sharers * step logical
/// elements further on.
struct Share {
  Piece piece;
  int64_t step = 0;
  int64_t sharers = 1;  // consecutive members that hold the same
  bool operator==(const Share&) const = default;
};

/// Rows of a matrix that are cut together: queries, keys, values.
struct RowBlock {
  RowBlock(int64_t number) : rows(number) {}  // not explicit: most blocks are cut into as many parts as there are
  RowBlock(int64_t number, int64_t share_holders) : rows(number), sharers(share_holders) {}
  int64_t rows;
  int64_t sharers = 1;  // so many members hold the same share
};
/// A row-major matrix of `columns` columns that consists of blocks of rows, each of which is cut into `parts / sharers`
/// equal shares of consecutive rows. Locally the shares of the blocks follow one another.
std::vector<Share> cut_rows(const std::string& tensor, const std::vector<RowBlock>& blocks, int64_t columns,
                            int64_t parts);
/// A row-major matrix cut into `parts` equal shares of consecutive columns.
std::vector<Share> cut_columns(const std::string& tensor, int64_t rows, int64_t columns, int64_t parts);

/// The part of a piece that stands in local elements [begin, end), with local offsets counted from `begin`: up to three
/// pieces (a cut run, whole runs, a cut run).
std::vector<Piece> clip(const Piece& piece, int64_t begin, int64_t end);

}  // namespace moesaic
