#include "core/schema/kernel_tables.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/schema/documents.h"
#include "core/schema/error.h"
#include "tests/core/schema/sample_tables.h"

namespace moesaic {
namespace {

namespace fs = std::filesystem;

class KernelTablesFile : public ::testing::Test {
 protected:
  void SetUp() override {
    // Tests run as processes side by side.
    root_ = fs::path(::testing::TempDir()) / ::testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(root_);
    fs::create_directories(root_ / "devices" / "gpu");
    file_ = root_ / "devices" / "gpu" / "kernel_tables.json";
    write_file(file_, write_kernel_tables(testing::sample_tables()));
  }
  void TearDown() override {
    set_table_roots({});
    fs::remove_all(root_);
  }
  fs::path root_;
  std::string file_;
};

TEST_F(KernelTablesFile, ComesBackAsItWasWritten) {
  EXPECT_EQ(read_kernel_tables(read_json(file_), file_), testing::sample_tables());
}

// A plan from another machine names a folder that is not here: the one of the same name under a root counts. Within a
// root the name is the same everywhere.
TEST_F(KernelTablesFile, IsFoundUnderARoot) {
  const std::string hash = hash_of_file(file_);
  EXPECT_EQ(portable_file(file_), file_);
  set_table_roots({root_});
  EXPECT_EQ(portable_file(file_), "devices/gpu/kernel_tables.json");
  EXPECT_EQ(*kernel_tables({"devices/gpu/kernel_tables.json", hash}), testing::sample_tables());
  EXPECT_EQ(*kernel_tables({"/elsewhere/gpu/kernel_tables.json", hash}), testing::sample_tables());
  EXPECT_THROW(kernel_tables({"/elsewhere/other/kernel_tables.json", hash}), InputError);
}

TEST_F(KernelTablesFile, RefusesOtherTablesThanThePlanWasMadeWith) {
  EXPECT_THROW(kernel_tables({file_, "0123456789abcdef"}), InputError);
}

TEST_F(KernelTablesFile, RefusesAGridWithTooFewTimes) {
  KernelTables tables = testing::sample_tables();
  tables.kernels[0].microseconds.pop_back();
  write_file(file_, write_kernel_tables(tables));
  EXPECT_THROW(read_kernel_tables(read_json(file_), file_), InputError);
}

}  // namespace
}  // namespace moesaic
