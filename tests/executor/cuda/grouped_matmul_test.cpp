// Grouped products against plain loops in double, and what is decided and written down before a kernel starts.
#include "executor/cuda/grouped_matmul.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "executor/cuda/grouped_arrays.h"
#include "executor/cuda/grouped_parts.h"
#include "tests/executor/cuda/cuda_test.h"
#ifdef MOESAIC_HAVE_CUTLASS
#include "executor/cuda/grouped_kernels_sm90.h"
#include "executor/cuda/grouped_matmul_sm90.h"
#endif

namespace moesaic::executor::cuda {
namespace {

using enum GroupedProduct;
using Problem = GroupedProblem<BFloat16>;
using RowsPerSlot = std::vector<int64_t>;

const BFloat16* at(uintptr_t element) { return reinterpret_cast<const BFloat16*>(2 * element); }
BFloat16* out(uintptr_t element) { return reinterpret_cast<BFloat16*>(2 * element); }

TEST(GroupedParts, DropEmptySlotsAndCutLongOnes) {
  const std::vector<Problem> problems = {
      {nullptr, nullptr, nullptr, 0}, {at(1000), at(50), out(7000), 4097}, {at(90), at(60), out(70), 1}};
  // n = 2, k = 3: forward reads rows of 3 elements and writes rows of 2; 1000 + 4096 x 3 = 13288, 7000 + 4096 x 2 =
  // 15192
  EXPECT_EQ(grouped_parts(forward, 2, 3, problems), (std::vector<GroupedPart>{{at(1000), at(50), out(7000), 4096},
                                                                              {at(13288), at(50), out(15192), 1},
                                                                              {at(90), at(60), out(70), 1}}));
  // dgrad the other way round: 1000 + 4096 x 2 = 9192, 7000 + 4096 x 3 = 19288
  EXPECT_EQ(grouped_parts(dgrad, 2, 3, problems)[1], (GroupedPart{at(9192), at(50), out(19288), 1}));
  // the rows of a wgrad are one sum
  EXPECT_EQ(grouped_parts(wgrad, 2, 3, problems),
            (std::vector<GroupedPart>{{at(1000), at(50), out(7000), 4097}, {at(90), at(60), out(70), 1}}));
  EXPECT_TRUE(grouped_parts(forward, 2, 3, std::span(problems).first(1)).empty());
}

// A wide tile costs 0.85 x (its rows, in steps of 256) x (terms + 256), a narrow one (rows, in steps of 128) x terms.
TEST(GroupedTile, IsNarrowWhereWideOnesWouldMostlyBePadding) {
  const auto of_4096 = [](const RowsPerSlot& rows) { return grouped_tile(forward, 1024, 4096, rows); };
  EXPECT_EQ(of_4096({512, 512}), GroupedTile::wide);        // 0.85 x 1024 x 4352 <= 1024 x 4096
  EXPECT_EQ(of_4096({128, 128}), GroupedTile::narrow);      // 0.85 x 512 x 4352 > 256 x 4096
  EXPECT_EQ(of_4096({1, 7, 0, 100}), GroupedTile::narrow);  // 0.85 x 768 x 4352 > 384 x 4096
  EXPECT_EQ(of_4096({4000, 129}), GroupedTile::wide);       // 0.85 x 4352 x 4352 <= 4352 x 4096
}

TEST(GroupedTile, IsNarrowWhereSumsAreShort) {
  EXPECT_EQ(grouped_tile(forward, 768, 2048, RowsPerSlot{512}), GroupedTile::wide);    // 0.85 x 2304 = 1958 <= 2048
  EXPECT_EQ(grouped_tile(dgrad, 768, 2048, RowsPerSlot{512}), GroupedTile::narrow);    // 0.85 x 1024 = 870 > 768
  EXPECT_EQ(grouped_tile(wgrad, 768, 2048, RowsPerSlot{512}), GroupedTile::narrow);    // 0.85 x 768 = 653 > 512 terms
  EXPECT_EQ(grouped_tile(wgrad, 768, 2048, RowsPerSlot{4096, 0}), GroupedTile::wide);  // 0.85 x 4352 = 3699 <= 4096
  EXPECT_EQ(grouped_tile(wgrad, 128, 2048, RowsPerSlot{4096}), GroupedTile::narrow);   // 256 of its results are padding
}

TEST(GroupedTile, RunsDownTheShorterWay) {
  EXPECT_TRUE(grouped_tiles_go_down(forward, 14336, 4096, 4096));   // 32 tiles down, 56 across
  EXPECT_FALSE(grouped_tiles_go_down(forward, 768, 2048, 4096));    // 32 down, 3 across
  EXPECT_FALSE(grouped_tiles_go_down(wgrad, 14336, 4096, 100000));  // 112 down, 16 across
  EXPECT_TRUE(grouped_tiles_go_down(wgrad, 1024, 4096, 1));         // 8 down, 16 across
  EXPECT_TRUE(grouped_tiles_go_down(dgrad, 768, 2048, 1024));       // 8 down, 8 across
}

/// What the kernels would read.
struct Written {
  std::vector<GroupedShape> shape;
  std::vector<const BFloat16*> a, b;
  std::vector<BFloat16*> d;
  std::vector<int64_t> stride_a, stride_b, stride_d;
  bool operator==(const Written&) const = default;
};

class GroupedArraysOnCuda : public CudaTest {
 protected:
  template <typename Source>
  Written written(int64_t products, GroupedProduct product, int64_t n, int64_t k, const Source& source) {
    const DeviceArray<char> block(*backend, std::vector<char>(static_cast<size_t>(grouped_arrays_bytes(products))));
    const GroupedArrays arrays = grouped_arrays_at(block.data(), products);
    fill_grouped_arrays(arrays, product, n, k, source, stream);
    Written w;
    const auto read = [&](auto& to, const auto* from) {
      to.resize(static_cast<size_t>(products));
      backend->copy(Lane::compute, to.data(), from, static_cast<Bytes>(to.size() * sizeof(to[0])));
      backend->synchronize();
    };
    read(w.shape, arrays.shape);
    read(w.a, arrays.a);
    read(w.b, arrays.b);
    read(w.d, arrays.d);
    read(w.stride_a, arrays.stride_a);
    read(w.stride_b, arrays.stride_b);
    read(w.stride_d, arrays.stride_d);
    return w;
  }
};

TEST_F(GroupedArraysOnCuda, HoldTheShapesOfEachProduct) {
  const std::vector<GroupedPart> part = {{at(16), at(32), out(48), 5}};
  EXPECT_EQ(written(1, forward, 24, 40, part),
            (Written{{{5, 24, 40}}, {at(16)}, {at(32)}, {out(48)}, {40}, {40}, {24}}));
  EXPECT_EQ(written(1, dgrad, 24, 40, part), (Written{{{5, 40, 24}}, {at(16)}, {at(32)}, {out(48)}, {24}, {40}, {40}}));
  EXPECT_EQ(written(1, wgrad, 24, 40, part), (Written{{{24, 40, 5}}, {at(16)}, {at(32)}, {out(48)}, {24}, {40}, {40}}));
}

TEST_F(GroupedArraysOnCuda, AreFilledByAsManyLaunchesAsTheyNeed) {
  std::vector<GroupedPart> parts;
  for (uintptr_t i = 0; i < 300; ++i)
    parts.push_back({at(8 * i), at(16 * i), out(24 * i), static_cast<int32_t>(i + 1)});
  const Written w = written(300, forward, 8, 16, parts);
  for (size_t i = 0; i < 300; ++i) {
    ASSERT_EQ(w.shape[i], (GroupedShape{static_cast<int32_t>(i + 1), 8, 16})) << i;
    ASSERT_EQ(w.a[i], at(8 * i)) << i;
    ASSERT_EQ(w.b[i], at(16 * i)) << i;
    ASSERT_EQ(w.d[i], out(24 * i)) << i;
  }
}

TEST_F(GroupedArraysOnCuda, FollowRowCountsThatOnlyTheDeviceKnows) {
  const DeviceInts first(*backend, {0, 3, 3, 5});  // 3, 0 and 2 rows
  const GroupedRows rows{at(4000), at(1000), out(2000), first.data(), 3};
  // n = 8, k = 16; weights [3, 8, 16] of 128 elements a slot. An empty slot has no output.
  EXPECT_EQ(written(3, forward, 8, 16, rows), (Written{{{3, 8, 16}, {0, 8, 16}, {2, 8, 16}},
                                                       {at(4000), at(4048), at(4048)},
                                                       {at(1000), at(1128), at(1256)},
                                                       {out(2000), out(2024), out(2024)},
                                                       {16, 16, 16},
                                                       {16, 16, 16},
                                                       {8, 8, 8}}));
  EXPECT_EQ(written(3, wgrad, 8, 16, rows), (Written{{{8, 16, 3}, {0, 16, 0}, {8, 16, 2}},
                                                     {at(4000), at(4024), at(4024)},
                                                     {at(1000), at(1048), at(1048)},
                                                     {out(2000), out(2128), out(2256)},
                                                     {8, 8, 8},
                                                     {16, 16, 16},
                                                     {16, 16, 16}}));
}

/// One product of the whole list: operands on the host, the result by plain loops.
struct GroupedCase {
  GroupedCase(GroupedProduct of, int64_t columns, int64_t inner, RowsPerSlot rows_per_slot)
      : product(of), n(columns), k(inner), rows(std::move(rows_per_slot)) {
    const int64_t total = std::accumulate(rows.begin(), rows.end(), int64_t{0});
    const auto slots = static_cast<int64_t>(rows.size());
    a = random_elements<BFloat16>(total * (product == forward ? k : n) + kGuard, 1);
    b = random_elements<BFloat16>((product == wgrad ? total * k : slots * n * k) + kGuard, 2);
    const int64_t results = product == wgrad ? slots * n * k : total * (product == forward ? n : k);
    c = product == wgrad ? random_elements<BFloat16>(results + kGuard, 3)
                         : poisoned_elements<BFloat16>(results + kGuard);
    expected = to_double(c);
    expected.resize(static_cast<size_t>(results));
    for (int64_t slot = 0, first = 0; slot < slots; first += rows[static_cast<size_t>(slot++)])
      add(slot, first, rows[static_cast<size_t>(slot)]);
  }

  void add(int64_t slot, int64_t first, int64_t count) {
    const auto value = [](const std::vector<BFloat16>& x, int64_t i) {
      return static_cast<double>(to_float(x[static_cast<size_t>(i)]));
    };
    const int64_t down = product == wgrad ? n : count, across = product == forward ? n : k;
    const int64_t inner = product == forward ? k : product == dgrad ? n : count;
    const int64_t start = product == wgrad ? slot * n * k : first * across;
    for (int64_t i = 0; i < down; ++i)
      for (int64_t j = 0; j < across; ++j) {
        double sum = 0.0;
        for (int64_t l = 0; l < inner; ++l)
          sum += product == forward ? value(a, (first + i) * k + l) * value(b, slot * n * k + j * k + l)
                 : product == dgrad ? value(a, (first + i) * n + l) * value(b, slot * n * k + l * k + j)
                                    : value(a, (first + l) * n + i) * value(b, (first + l) * k + j);
        double& result = expected[static_cast<size_t>(start + i * across + j)];
        result = product == wgrad ? result + sum : sum;
      }
  }

  static constexpr int64_t kGuard = 4096;  // elements behind the end that must stay as they are

  GroupedProduct product;
  int64_t n, k;
  RowsPerSlot rows;
  std::vector<BFloat16> a, b, c;
  Doubles expected;
};

class GroupedMatmulOnCuda : public CudaTest {
 protected:
  /// run(problems) computes c.
  template <typename Run>
  std::vector<BFloat16> computed(const GroupedCase& of, const Run& run) {
    const DeviceArray<BFloat16> a(*backend, of.a), b(*backend, of.b), c(*backend, of.c);
    std::vector<Problem> problems;
    int64_t first = 0, slot = 0;
    for (int64_t rows : of.rows) {
      const int64_t weights = slot++ * of.n * of.k, a_row = of.product == forward ? of.k : of.n;
      problems.push_back({a.data() + first * a_row, b.data() + (of.product == wgrad ? first * of.k : weights),
                          c.data() + (of.product == wgrad ? weights : first * (of.product == forward ? of.n : of.k)),
                          rows});
      first += rows;
    }
    run(std::span<const Problem>(problems));
    return c.values();
  }

  // f32 sums of up to 8,193 terms of at most 1: 1e-4 of the largest result, and one rounding to bfloat16.
  void expect_right(const GroupedCase& of, const std::vector<BFloat16>& result, const char* what) {
    SCOPED_TRACE(::testing::Message() << "product " << static_cast<int>(of.product) << ", n " << of.n << ", k "
                                      << of.k);
    const auto end = result.begin() + static_cast<std::ptrdiff_t>(of.expected.size());
    EXPECT_TRUE(std::equal(end, result.end(), of.c.begin() + (end - result.begin()))) << "written beyond the end";
    expect_stored(std::vector<BFloat16>(result.begin(), end), of.expected, 1e-4, what);
  }
};

// By the grouped kernels or slot by slot, whichever the build and the device have.
TEST_F(GroupedMatmulOnCuda, AgreesWithPlainLoops) {
  for (GroupedProduct product : {forward, dgrad, wgrad})
    for (const RowsPerSlot& rows : {RowsPerSlot{0, 1, 7, 127, 129, 0}, RowsPerSlot{0, 0}}) {
      const GroupedCase of(product, 72, 104, rows);
      const auto run = [&](std::span<const Problem> problems) {
        grouped_matmul(backend->linear(), product, of.n, of.k, problems, stream);
      };
      expect_right(of, computed(of, run), "grouped_matmul");
    }
}

#ifdef MOESAIC_HAVE_CUTLASS

// Of 128 bytes and one per multiprocessor: of a, b and for each of two warp groups of d; a wgrad reads d too.
TEST(GroupedKernels, NeedRoomForTheirTensorDescriptors) {
  for (GroupedTile tile : {GroupedTile::wide, GroupedTile::narrow}) {
    EXPECT_EQ(grouped_workspace_bytes({forward, tile, true, 132}), 132 * 4 * 128);
    EXPECT_EQ(grouped_workspace_bytes({dgrad, tile, false, 132}), 132 * 4 * 128);
    EXPECT_EQ(grouped_workspace_bytes({wgrad, tile, true, 132}), 132 * 5 * 128);
  }
}

class GroupedMatmulOnHopper : public GroupedMatmulOnCuda {
 protected:
  void SetUp() override {
    CudaTest::SetUp();
    if (!IsSkipped() && !grouped_matmul_sm90_takes(8, 8, {})) GTEST_SKIP() << "no device of compute capability 9.x";
  }

  std::vector<BFloat16> by_counts(const GroupedCase& of) {
    return computed(of, [&](std::span<const Problem> problems) {
      EXPECT_TRUE(grouped_matmul_sm90_takes(of.n, of.k, problems));
      grouped_matmul_sm90(of.product, of.n, of.k, problems, backend->linear().scratch(), stream);
    });
  }

  std::vector<BFloat16> by_offsets(const GroupedCase& of) {
    const DeviceArray<BFloat16> a(*backend, of.a), b(*backend, of.b), c(*backend, of.c);
    std::vector<int32_t> first_row = {0};
    for (int64_t rows : of.rows) first_row.push_back(first_row.back() + static_cast<int32_t>(rows));
    const DeviceInts offsets(*backend, first_row);
    grouped_matmul_sm90(of.product, of.n, of.k,
                        GroupedRows{a.data(), b.data(), c.data(), offsets.data(), static_cast<int32_t>(of.rows.size())},
                        first_row.back(), backend->linear().scratch(), stream);
    return c.values();
  }

  void check(const GroupedCase& of) {
    const std::vector<BFloat16> result = by_counts(of);
    expect_right(of, result, "by counts");
    EXPECT_EQ(by_counts(of), result) << "the same call, other bits";
    expect_right(of, by_offsets(of), "by offsets");
  }

  void check_all(int64_t n, int64_t k, const RowsPerSlot& rows) {
    for (GroupedProduct product : {forward, dgrad, wgrad}) check(GroupedCase(product, n, k, rows));
  }
};

TEST_F(GroupedMatmulOnHopper, AgreesWithPlainLoops) {
  check_all(136, 200, {0, 1, 7, 127, 129, 0});  // around the edges of tiles
  check_all(264, 72, {300, 0, 257, 512});       // rows and columns left over
  check_all(8, 8, {3});                         // the smallest sizes that are taken
  check_all(64, 8, {0, 0, 0});                  // nothing arrived
}

TEST_F(GroupedMatmulOnHopper, AgreesWithTheWideTile) {
  for (const GroupedCase& of :
       {GroupedCase(forward, 72, 1544, {512, 0, 1000}), GroupedCase(dgrad, 1544, 72, {512, 0, 1000}),
        GroupedCase(wgrad, 248, 72, {1600, 0, 1999})}) {
    EXPECT_EQ(grouped_tile(of.product, of.n, of.k, of.rows), GroupedTile::wide);
    check(of);
  }
}

TEST_F(GroupedMatmulOnHopper, AgreesWhereOneSlotHasEverything) { check_all(64, 40, {0, 8193, 0}); }

TEST_F(GroupedMatmulOnHopper, AgreesForManySlotsOfVeryUnlikeSizes) {
  RowsPerSlot zipf;
  for (int64_t slot = 1; slot <= 130; ++slot) zipf.push_back(900 / slot);  // 900, 450, 300, ... 6
  check_all(72, 64, zipf);
}

TEST_F(GroupedMatmulOnHopper, RefusesWhatTheLoadsCannotReach) {
  EXPECT_FALSE(grouped_matmul_sm90_takes(12, 8, {}));
  EXPECT_FALSE(grouped_matmul_sm90_takes(8, 12, {}));
  const std::vector<Problem> odd = {{at(4), at(0), out(0), 1}};  // 8 bytes behind a boundary of 16
  EXPECT_FALSE(grouped_matmul_sm90_takes(8, 8, odd));
  const std::vector<Problem> empty = {{at(4), nullptr, nullptr, 0}};
  EXPECT_TRUE(grouped_matmul_sm90_takes(8, 8, empty));
}

#endif

}  // namespace
}  // namespace moesaic::executor::cuda
