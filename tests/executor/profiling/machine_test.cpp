#include "executor/profiling/machine.h"

#include <gtest/gtest.h>

#include "executor/cpu/instruction_set.h"

namespace moesaic::executor {
namespace {

// 24 * 1024 MiB = 24 GiB; 384 MiB of the last level.
TEST(Machine, IsDescribedByProcessorInstructionsAndSizes) {
  const Machine machine{"AMD EPYC", "AVX512_CORE_BF16", 2, Bytes{24} << 30, Bytes{1} << 20, Bytes{384} << 20};
  EXPECT_EQ(description_of(machine),
            "AMD EPYC with AVX512_CORE_BF16, 2 cores, 24.0 GiB memory, 384 MiB last-level cache");
}

TEST(Machine, SaysWhichInstructionsItsProductsUse) {
  EXPECT_EQ(this_machine().instruction_set, cpu::instruction_set());
}

}  // namespace
}  // namespace moesaic::executor
