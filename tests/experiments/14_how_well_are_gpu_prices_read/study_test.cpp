#include "experiments/14_how_well_are_gpu_prices_read/study.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "core/schema/documents.h"
#include "tests/core/cost/sample_tables.h"

namespace moesaic::experiments {
namespace {

/// A profile whose tables hold these products.
Profile profile_with(const KernelTable& products, const std::string& file) {
  KernelTables tables = sample_tables();
  tables.kernels = {products};
  write_file(file, write_kernel_tables(tables));
  Profile profile;
  profile.tables = {file, hash_of_file(file)};
  return profile;
}

const ReadingErrors& row_of(const std::vector<ReadingErrors>& errors, const std::string& left_out) {
  for (const ReadingErrors& row : errors)
    if (row.left_out == left_out) return row;
  throw std::runtime_error("no row " + left_out);
}

// Lines 16 of rows, 256 of n and of k can be left out: 9 points on each, one on all of them. Where every point takes
// half of its base, the reading and the null model are right.
TEST(TableReadings, AreRightWhereTheBaseIs) {
  const std::string file = std::filesystem::path(::testing::TempDir()) / "readings_right.json";
  const auto errors = reading_errors(profile_with(products_table(0.5), file), sample_gpu(), "gpu");
  ASSERT_EQ(errors.size(), 4U);
  for (const ReadingErrors& row : errors) {
    EXPECT_EQ(row.points, row.left_out == "all axes" ? 1 : 9);
    EXPECT_NEAR(row.p95, 0, 1e-9);
    EXPECT_NEAR(row.null_p95, 0, 1e-9);
  }
}

// All 9 points of 16 rows take twice as long: read from the lines beside they are half of what was measured, while the
// null model has seen the lines of the group.
TEST(TableReadings, SeeALineThatNothingForetells) {
  KernelTable table = products_table(0.5);
  for (size_t point = 9; point < 18; ++point) table.microseconds[point] *= 2;
  const std::string file = std::filesystem::path(::testing::TempDir()) / "readings_wrong.json";
  const auto errors = reading_errors(profile_with(table, file), sample_gpu(), "gpu");
  EXPECT_NEAR(row_of(errors, "rows").median, 0.5, 1e-9);
  EXPECT_NEAR(row_of(errors, "rows").null_median, 0, 1e-9);
  EXPECT_NEAR(row_of(errors, "n").median, 0, 1e-9);
}

}  // namespace
}  // namespace moesaic::experiments
