#include "executor/cuda/regroup.h"

#include <numeric>
#include <utility>

#include "executor/reference/embedding.h"
#include "tests/executor/cuda/cuda_test.h"

namespace moesaic::executor::cuda {
namespace {

class RegroupOnCuda : public CudaTest {};

/// 0, 1, 2, ... below 2^16.
std::vector<uint16_t> numbered(int64_t count) {
  std::vector<uint16_t> values(static_cast<size_t>(count));
  std::iota(values.begin(), values.end(), uint16_t{0});
  return values;
}

// 1300 segments of 0 to 4 rows from scattered places: two launches' worth, in rows of 16-byte units, in narrower
// ones, and behind a pointer that allows no 16-byte unit.
TEST_F(RegroupOnCuda, ConcatenatesSegmentsOfAnyNumberAndSize) {
  for (const auto& [width, offset] : {std::pair<int64_t, size_t>{8, 0}, {3, 0}, {8, 1}}) {
    const std::vector<uint16_t> source = numbered(2000 * width);
    const DeviceArray<uint16_t> from(*backend, source, offset);
    std::vector<CopySegment> segments;
    std::vector<uint16_t> expected;
    for (int64_t i = 0; i < 1300; ++i) {
      const int64_t first = i * 37 % 1990 * width, count = i * 3 % 5 * width;
      segments.push_back({from.data() + first, count * static_cast<Bytes>(sizeof(uint16_t))});
      expected.insert(expected.end(), source.begin() + first, source.begin() + first + count);
    }
    const DeviceArray<uint16_t> to(*backend, std::vector<uint16_t>(expected.size(), 0), offset);
    concatenate(segments, to.data(), stream);
    EXPECT_EQ(to.values(), expected) << width << " elements, offset " << offset;
  }
}

// 5000 units of 16 bytes in one segment: several blocks.
TEST_F(RegroupOnCuda, CopiesLongSegments) {
  const std::vector<uint16_t> source = numbered(40000);
  const DeviceArray<uint16_t> from(*backend, source), to(*backend, std::vector<uint16_t>(40000, 0));
  const CopySegment halves[] = {{from.data() + 20000, 40000}, {from.data(), 40000}};
  concatenate(halves, to.data(), stream);
  std::vector<uint16_t> expected(source.begin() + 20000, source.end());
  expected.insert(expected.end(), source.begin(), source.begin() + 20000);
  EXPECT_EQ(to.values(), expected);
}

// Without rows nothing is launched (an empty grid would be an error) and nothing written.
TEST_F(RegroupOnCuda, CopiesNothingWhereThereIsNothing) {
  const Floats before = random_floats(64, 1);
  const DeviceFloats from(*backend, before), to(*backend, before);
  const CopySegment empty[] = {{from.data(), 0}, {nullptr, 0}};
  EXPECT_NO_THROW(concatenate({}, to.data(), stream));
  EXPECT_NO_THROW(concatenate(empty, to.data(), stream));
  EXPECT_NO_THROW(join_columns(from.data(), to.data(), 0, 2, 16, stream));
  EXPECT_NO_THROW(split_columns(from.data(), to.data(), 0, 2, 16, stream));
  EXPECT_EQ(to.values(), before);
}

// 1000 segments of 0 to 40 rows of places in no order, shifted up and down: two launches' worth, in rows of 16-byte
// units and in narrower ones.
TEST_F(RegroupOnCuda, RepeatsRowsOfPlaces) {
  for (const int64_t width : {8, 3}) {
    const std::vector<uint16_t> source = numbered(200 * width);
    std::vector<int32_t> places;
    std::vector<uint16_t> expected;
    std::vector<RepeatSegment> segments;
    for (int64_t i = 0; i < 1000; ++i) {
      segments.push_back({nullptr, i * 7 % 41, i % 3 == 0 ? -20 : i % 5});
      for (int64_t row = 0; row < segments.back().rows; ++row) {
        places.push_back(static_cast<int32_t>(20 + (i * 13 + row * 29) % 170));
        const int64_t from = (places.back() + segments.back().shift) * width;
        expected.insert(expected.end(), source.begin() + from, source.begin() + from + width);
      }
    }
    const DeviceArray<int32_t> on_places(*backend, places);
    const int32_t* next = on_places.data();
    for (RepeatSegment& segment : segments) segment.places = std::exchange(next, next + segment.rows);
    const DeviceArray<uint16_t> from(*backend, source), to(*backend, std::vector<uint16_t>(expected.size(), 0));
    repeat_rows(segments, from.data(), to.data(), width * static_cast<Bytes>(sizeof(uint16_t)), stream);
    EXPECT_EQ(to.values(), expected) << width;
    EXPECT_NO_THROW(repeat_rows({}, from.data(), to.data(), 16, stream));
  }
}

// Pieces of 4 and 5 floats: with and without whole 16-byte units.
TEST_F(RegroupOnCuda, JoinsAndSplitsColumns) {
  for (const int64_t piece : {4, 5})
    for (const int64_t parts : {1, 3}) {
      const int64_t m = 70, h = parts * piece;
      const Floats pieces = random_floats(m * h, 1);
      Doubles joined(pieces.size());
      reference::join_columns(to_double(pieces).data(), joined.data(), m, h, parts);
      const DeviceFloats from(*backend, pieces), x(*backend, poisoned(m * h)), back(*backend, poisoned(m * h));
      join_columns(from.data(), x.data(), m, parts, piece * static_cast<Bytes>(sizeof(float)), stream);
      split_columns(x.data(), back.data(), m, parts, piece * static_cast<Bytes>(sizeof(float)), stream);
      EXPECT_EQ(to_double(x.values()), joined);
      EXPECT_EQ(back.values(), pieces);
    }
}

}  // namespace
}  // namespace moesaic::executor::cuda
