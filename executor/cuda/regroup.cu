#include "executor/cuda/regroup.h"

#include <algorithm>
#include <vector>

#include "executor/cuda/array_table.cuh"
#include "executor/cuda/element_grid.cuh"
#include "executor/cuda/launch_kernel.cuh"

namespace moesaic::executor::cuda {
namespace {

constexpr int64_t kChunkUnits = 2048;  // of a block: 32 KiB in units of 16 bytes
constexpr int kMaxCopies = 1000;       // 28 bytes each, of the 32,764 that the arguments of a kernel may take

template <typename Unit>
struct Copy {
  const Unit* from;
  Unit* to;
  int64_t count;
};
template <typename Unit>
using CopyTable = ArrayTable<Copy<Unit>, kMaxCopies, kChunkUnits>;

template <typename Unit>
__global__ void copy_arrays(CopyTable<Unit> table) {
  const auto share = table.share_of(blockIdx.x);
  const Copy<Unit>& copy = table.entries[share.entry];
  for (int64_t i = share.begin + threadIdx.x; i < share.end; i += kThreads) copy.to[i] = copy.from[i];
}

template <typename Unit>
void launch_copies(std::span<const CopySegment> segments, void* to, Stream stream) {
  std::vector<Copy<Unit>> copies;
  auto* next = static_cast<Unit*>(to);
  for (const CopySegment& segment : segments) {
    const int64_t count = segment.bytes / static_cast<Bytes>(sizeof(Unit));
    if (count > 0) copies.push_back({static_cast<const Unit*>(segment.from), next, count});
    next += count;
  }
  for_each_table<CopyTable<Unit>>(std::span<const Copy<Unit>>(copies),
                                  [&](const CopyTable<Unit>& table, unsigned blocks, size_t) {
                                    launch_kernel(copy_arrays<Unit>, blocks, kThreads, stream, table);
                                  });
}

template <typename Unit>
struct Repeat {
  const int32_t* places;
  Unit* to;
  int64_t shift, count;
};
constexpr int64_t kChunkRows = 16;  // of a block
constexpr int kMaxRepeats = 900;    // 36 bytes each
template <typename Unit>
using RepeatTable = ArrayTable<Repeat<Unit>, kMaxRepeats, kChunkRows>;

// width: of a row, in units.
template <typename Unit>
__global__ void copy_places(RepeatTable<Unit> table, const Unit* from, int64_t width) {
  const auto share = table.share_of(blockIdx.x);
  const Repeat<Unit>& repeat = table.entries[share.entry];
  for (int64_t i = share.begin * width + threadIdx.x; i < share.end * width; i += kThreads)
    repeat.to[i] = from[(repeat.places[i / width] + repeat.shift) * width + i % width];
}

template <typename Unit>
void launch_repeats(std::span<const RepeatSegment> segments, const void* from, void* to, Bytes row_bytes,
                    Stream stream) {
  const int64_t width = row_bytes / static_cast<Bytes>(sizeof(Unit));
  std::vector<Repeat<Unit>> repeats;
  auto* next = static_cast<Unit*>(to);
  for (const RepeatSegment& segment : segments) {
    if (segment.rows > 0) repeats.push_back({segment.places, next, segment.shift, segment.rows});
    next += segment.rows * width;
  }
  for_each_table<RepeatTable<Unit>>(
      std::span<const Repeat<Unit>>(repeats), [&](const RepeatTable<Unit>& table, unsigned blocks, size_t) {
        launch_kernel(copy_places<Unit>, blocks, kThreads, stream, table, static_cast<const Unit*>(from), width);
      });
}

bool divisible(std::span<const CopySegment> segments, const void* to, uintptr_t by) {
  return reinterpret_cast<uintptr_t>(to) % by == 0 &&
         std::all_of(segments.begin(), segments.end(), [by](const CopySegment& segment) {
           return segment.bytes == 0 || (reinterpret_cast<uintptr_t>(segment.from) % by == 0 &&
                                         static_cast<uintptr_t>(segment.bytes) % by == 0);
         });
}

// Unit i of x is piece `part` of its row. Joins or splits according to which side the index runs over.
template <typename Unit, bool kJoin>
__global__ void move_columns(const Unit* from, Unit* to, int64_t m, int64_t parts, int64_t width) {
  for (int64_t i = first_item(); i < m * parts * width; i += item_stride()) {
    const int64_t column = i % width, part = i / width % parts, row = i / width / parts;
    const int64_t in_pieces = (part * m + row) * width + column;
    if constexpr (kJoin) {
      to[i] = from[in_pieces];
    } else {
      to[in_pieces] = from[i];
    }
  }
}

template <typename Unit, bool kJoin>
void launch_columns(const void* from, void* to, int64_t m, int64_t parts, Bytes piece_bytes, Stream stream) {
  const int64_t width = piece_bytes / static_cast<Bytes>(sizeof(Unit));
  launch_kernel(move_columns<Unit, kJoin>, blocks_for(m * parts * width), kThreads, stream,
                static_cast<const Unit*>(from), static_cast<Unit*>(to), m, parts, width);
}

template <bool kJoin>
void columns(const void* from, void* to, int64_t m, int64_t parts, Bytes piece_bytes, Stream stream) {
  if (m == 0 || parts == 0 || piece_bytes == 0) return;
  const CopySegment piece{from, piece_bytes};
  if (divisible({&piece, 1}, to, sizeof(uint4)))
    return launch_columns<uint4, kJoin>(from, to, m, parts, piece_bytes, stream);
  launch_columns<uint16_t, kJoin>(from, to, m, parts, piece_bytes, stream);
}

}  // namespace

void concatenate(std::span<const CopySegment> segments, void* to, Stream stream) {
  if (divisible(segments, to, sizeof(uint4))) return launch_copies<uint4>(segments, to, stream);
  launch_copies<uint16_t>(segments, to, stream);  // the narrowest element
}

void repeat_rows(std::span<const RepeatSegment> segments, const void* from, void* to, Bytes row_bytes, Stream stream) {
  const CopySegment row{from, row_bytes};
  if (divisible({&row, 1}, to, sizeof(uint4))) return launch_repeats<uint4>(segments, from, to, row_bytes, stream);
  launch_repeats<uint16_t>(segments, from, to, row_bytes, stream);
}

void join_columns(const void* pieces, void* x, int64_t m, int64_t parts, Bytes piece_bytes, Stream stream) {
  columns<true>(pieces, x, m, parts, piece_bytes, stream);
}

void split_columns(const void* x, void* pieces, int64_t m, int64_t parts, Bytes piece_bytes, Stream stream) {
  columns<false>(x, pieces, m, parts, piece_bytes, stream);
}

}  // namespace moesaic::executor::cuda
