// A measurement has no literal result: its figures are checked to be possible, and nothing may stay behind.

#include "executor/store/storage_rates.h"

#include <gtest/gtest.h>

#include "core/schema/error.h"
#include "tests/executor/store/temporary_folder.h"

namespace moesaic::executor {
namespace {

TEST(MeasureStorage, GivesRatesAndLeavesNoFile) {
  const TemporaryFolder folder;
  const StorageRates rates = measure_storage(folder.path(), 0.1);
  EXPECT_TRUE(folder.empty());
  // Between a floppy disk and memory.
  for (const double rate : {rates.read_bytes_per_s, rates.write_bytes_per_s}) {
    EXPECT_GT(rate, 1e4);
    EXPECT_LT(rate, 1e12);
  }
  EXPECT_GT(rates.read_latency_s, 1e-7);
  EXPECT_LT(rates.read_latency_s, 10.0);
  EXPECT_TRUE(rates.engine == "io_uring" || rates.engine == "threads") << rates.engine;
}

TEST(MeasureStorage, NamesAFolderThatDoesNotExist) { EXPECT_THROW(measure_storage("/no/such/folder"), DeviceError); }

}  // namespace
}  // namespace moesaic::executor
