#include "executor/launch/kernel_table.h"

#include <gtest/gtest.h>

namespace moesaic::executor {
namespace {

struct Device {
  std::string called;
};
using DeviceKernel = Kernel<Device>;

void add(const Launch&, Device& device) { device.called += "add "; }
void norm(const Launch&, Device& device) { device.called += "norm "; }

constexpr DeviceKernel kSums[] = {{Op::add, add}}, kNorms[] = {{Op::norm, norm}};

class KernelTableTest : public ::testing::Test {
 protected:
  /// What launching an operator throws, in words; "" where it runs.
  template <typename Error>
  std::string error_of(Op op) {
    Task task;
    task.op = op;
    try {
      table.launch({task, {}, {}, {}, StepContext{}}, device);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  const KernelTable<Device> table{"abacus", {kSums, kNorms}};
  Device device;
};

TEST_F(KernelTableTest, CallsTheKernelOfTheOperator) {
  for (const Op op : {Op::norm, Op::add, Op::norm}) EXPECT_EQ(error_of<std::exception>(op), "");
  EXPECT_EQ(device.called, "norm add norm ");
  EXPECT_TRUE(table.has(Op::add));
  EXPECT_FALSE(table.has(Op::embed));
}

TEST_F(KernelTableTest, RefusesWhatNobodyListed) {
  EXPECT_EQ(error_of<DeviceError>(Op::embed), "abacus: no operator for embed yet");
  EXPECT_NE(error_of<InvariantError>(Op::all_to_all).find("the communicator's"), std::string::npos);
}

TEST(KernelTable, RefusesTwoKernelsForOneOperator) {
  EXPECT_THROW((KernelTable<Device>("abacus", {kSums, kNorms, kSums})), InvariantError);
}

}  // namespace
}  // namespace moesaic::executor
