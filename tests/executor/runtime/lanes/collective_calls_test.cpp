#include "executor/runtime/lanes/collective_calls.h"

#include <gtest/gtest.h>

#include "core/schema/error.h"

namespace moesaic::executor {
namespace {

TEST(CollectiveCalls, ExistForCollectivesAndNothingElse) {
  for (int i = 0; i < kNumOps; ++i) {
    const Op op = static_cast<Op>(i);
    if (!is_collective(op)) {
      EXPECT_THROW(calls_of(op), InvariantError) << name_of(op);
      continue;
    }
    EXPECT_EQ(calls_of(op).op, op);
    EXPECT_NE(calls_of(op).on_host, nullptr) << name_of(op);
    EXPECT_NE(calls_of(op).on_devices, nullptr) << name_of(op);
  }
}

}  // namespace
}  // namespace moesaic::executor
