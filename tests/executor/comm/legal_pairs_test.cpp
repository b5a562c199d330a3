// The whole table of backends and communicators, and what a user reads when a pair does not work.

#include <gtest/gtest.h>

#include "core/schema/error.h"
#include "executor/comm/legal_pairs.h"

namespace moesaic::executor {
namespace {

using Device = DeviceKind;
using Comm = CommunicatorKind;

std::string refusal(const RankPair& pair) {
  try {
    (void)data_path(pair);
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

TEST(LegalPairs, CpuRanksUseHostMemory) {
  for (const Comm communicator : {Comm::local, Comm::mpi, Comm::tcp})
    EXPECT_EQ(data_path({Device::cpu, communicator, 4, 0}), DataPath::host) << name_of(communicator);
}

// One process or many, more ranks than GPUs or not: host memory is always in between.
TEST(LegalPairs, GpuRanksWithoutNcclAreStaged) {
  for (const Comm communicator : {Comm::local, Comm::mpi, Comm::tcp})
    for (const int gpus : {1, 4})
      EXPECT_EQ(data_path({Device::cuda, communicator, 4, gpus}), DataPath::staged) << name_of(communicator);
}

TEST(LegalPairs, NcclNeedsAGpuForEveryRank) {
  EXPECT_EQ(data_path({Device::cuda, Comm::nccl, 4, 4}), DataPath::nccl);
  EXPECT_EQ(data_path({Device::cuda, Comm::nccl, 4, 8}), DataPath::nccl);
  EXPECT_EQ(data_path({Device::cuda, Comm::nccl, 4, 1, true}), DataPath::nccl);
  EXPECT_EQ(refusal({Device::cuda, Comm::nccl, 4, 1}),
            "--communicator nccl: this machine has 4 ranks and 1 GPU; expected one GPU for every rank; leave "
            "--communicator out, or start one rank for every GPU");
}

TEST(LegalPairs, NcclNeedsGpus) {
  EXPECT_EQ(refusal({Device::cpu, Comm::nccl, 2, 8}),
            "--communicator nccl: moves data between GPUs, and the plan is for CPU ranks; expected a plan for a "
            "cluster of GPUs; leave --communicator out");
}

TEST(LegalPairs, NamesAreReadBack) {
  for (const Device device : {Device::cpu, Device::cuda}) EXPECT_EQ(parse_device(name_of(device)), device);
  for (const Comm communicator : {Comm::local, Comm::mpi, Comm::tcp, Comm::nccl})
    EXPECT_EQ(parse_communicator(name_of(communicator)), communicator);
  try {
    (void)parse_communicator("gloo");
    FAIL() << "gloo is no communicator";
  } catch (const InputError& error) {
    EXPECT_STREQ(error.what(), "--communicator gloo: is not known; expected local, mpi, tcp, nccl");
  }
}

}  // namespace
}  // namespace moesaic::executor
