#pragma once
// Many flat arrays in one launch: a table of them travels as a kernel argument, so no copy to the device has to be
// awaited. A block works on one chunk of one array. It launches nothing.

#include <algorithm>
#include <cstdint>
#include <span>

namespace moesaic::executor::cuda {

/// An Entry has a `count` of elements. From sm_70 on, all arguments of a kernel may take 32,764 bytes.
template <typename Entry, int kMaxEntries, int64_t kChunk>
struct ArrayTable {
  static constexpr size_t kEntries = kMaxEntries;

  Entry entries[kMaxEntries];
  unsigned first_block[kMaxEntries];  // of each array, ascending
  int count = 0;

  /// Appends an array; returns the blocks of all arrays so far.
  unsigned add(const Entry& entry, unsigned blocks_before) {
    entries[count] = entry;
    first_block[count++] = blocks_before;
    return blocks_before + static_cast<unsigned>((entry.count + kChunk - 1) / kChunk);
  }

  /// What a block works on: elements [begin, end) of one array. Empty arrays have no blocks.
  struct Share {
    int entry;
    int64_t begin, end;
  };
  __device__ Share share_of(unsigned block) const {
    int low = 0, high = count;  // the last array whose first block is not behind this one
    while (high - low > 1) {
      const int middle = (low + high) / 2;
      (first_block[middle] <= block ? low : high) = middle;
    }
    const int64_t begin = (block - first_block[low]) * kChunk, all = entries[low].count;
    return {low, begin, begin + kChunk < all ? begin + kChunk : all};
  }
};

/// Calls launch(table, blocks, index of the table's first array) until all arrays are covered.
template <typename Table, typename Entry, typename Launch>
void for_each_table(std::span<const Entry> arrays, Launch launch) {
  for (size_t first = 0; first < arrays.size(); first += Table::kEntries) {
    Table table;
    unsigned blocks = 0;
    for (const Entry& entry : arrays.subspan(first, std::min(Table::kEntries, arrays.size() - first)))
      blocks = table.add(entry, blocks);
    if (blocks > 0) launch(table, blocks, first);
  }
}

}  // namespace moesaic::executor::cuda
