// Where a process learns which rank it is, and what is said when it does not.

#include "executor/comm/job_environment.h"

#include <gtest/gtest.h>

#include <map>

#include "core/schema/error.h"

namespace moesaic::executor {
namespace {

using Set = std::map<std::string, std::string>;

Variables variables_of(const Set& set) {
  return [set](const std::string& name) {
    const auto found = set.find(name);
    return found == set.end() ? std::nullopt : std::optional(found->second);
  };
}

JobEnvironment found(const Set& set, const JobOptions& options = {}) {
  return job_environment(options, variables_of(set));
}

void expect(const JobEnvironment& job, int rank, int size, const TcpAddress& address, const std::string& id = "") {
  EXPECT_EQ(job.rank, rank);
  EXPECT_EQ(job.size, size);
  EXPECT_EQ(job.address, address);
  EXPECT_EQ(job.id, id);
}

TEST(JobEnvironment, KnowsTheLaunchers) {
  const TcpAddress node7{"node7", 29500};
  expect(
      found({{"MOESAIC_RANK", "1"}, {"MOESAIC_SIZE", "4"}, {"MOESAIC_ADDRESS", "node7:29500"}, {"MOESAIC_JOB", "j"}}),
      1, 4, node7, "j");
  expect(found({{"OMPI_COMM_WORLD_RANK", "2"}, {"OMPI_COMM_WORLD_SIZE", "4"}, {"MOESAIC_ADDRESS", "node7:29500"}}), 2,
         4, node7);
  expect(found({{"PMI_RANK", "3"}, {"PMI_SIZE", "4"}, {"MOESAIC_ADDRESS", "[fe80::1]:80"}}), 3, 4, {"fe80::1", 80});
  expect(found({{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "node7"}, {"MASTER_PORT", "29500"}}), 0, 2, node7);
}

// 20000 + 4711234 mod 10000 = 21234.
TEST(JobEnvironment, TakesTheFirstHostOfASlurmJob) {
  expect(found({{"SLURM_PROCID", "5"},
                {"SLURM_NTASKS", "8"},
                {"SLURM_JOB_ID", "4711234"},
                {"SLURM_JOB_NODELIST", "gpu[003-010,12],login"}}),
         5, 8, {"gpu003", 21234}, "4711234");
  EXPECT_EQ(first_slurm_host("gpu7"), "gpu7");
  EXPECT_EQ(first_slurm_host("a,b[1-2]"), "a");
  EXPECT_EQ(first_slurm_host("rack[2-3]node[07,09]x,b"), "rack2node07x");
}

TEST(JobEnvironment, WhatIsSaidExplicitlyComesFirst) {
  const Set set = {{"MOESAIC_RANK", "1"},         {"MOESAIC_SIZE", "4"}, {"MOESAIC_ADDRESS", "node7:29500"},
                   {"OMPI_COMM_WORLD_RANK", "9"}, {"RANK", "x"},         {"MASTER_ADDR", "node8"}};
  expect(found(set, {0, 2, "node9:1"}), 0, 2, {"node9", 1});
  expect(found(set), 1, 4, {"node7", 29500});
}

TEST(JobEnvironment, OneRankNeedsNoAddress) { expect(found({}, {0, 1, ""}), 0, 1, {}); }

std::string wrong(const Set& set, const JobOptions& options = {}) {
  try {
    found(set, options);
  } catch (const InputError& error) {
    return error.file();
  }
  return "nothing";
}

TEST(JobEnvironment, NamesTheVariableThatIsWrong) {
  EXPECT_EQ(wrong({}), "MOESAIC_RANK");
  EXPECT_EQ(wrong({{"MOESAIC_RANK", "1"}}), "MOESAIC_SIZE");
  EXPECT_EQ(wrong({{"SLURM_NTASKS", "4"}}), "SLURM_PROCID");
  EXPECT_EQ(wrong({{"MOESAIC_SIZE", "2"}}, {0, std::nullopt, ""}), "--size");
  EXPECT_EQ(wrong({{"PMI_RANK", "1x"}, {"PMI_SIZE", "2"}}), "PMI_RANK");
  EXPECT_EQ(wrong({{"PMI_RANK", "2"}, {"PMI_SIZE", "2"}}), "PMI_RANK");
  EXPECT_EQ(wrong({{"PMI_RANK", "0"}, {"PMI_SIZE", "0"}}), "PMI_SIZE");
  EXPECT_EQ(wrong({{"PMI_RANK", "0"}, {"PMI_SIZE", "2"}}), "MOESAIC_ADDRESS");
  EXPECT_EQ(wrong({{"MOESAIC_ADDRESS", "node7"}}, {0, 2, ""}), "MOESAIC_ADDRESS");
  EXPECT_EQ(wrong({{"MOESAIC_ADDRESS", "node7:70000"}}, {0, 2, ""}), "MOESAIC_ADDRESS");
  EXPECT_EQ(wrong({}, {0, 2, ":1"}), "--address");
  EXPECT_EQ(wrong({{"MASTER_ADDR", "node7"}}, {0, 2, ""}), "MASTER_PORT");
}

}  // namespace
}  // namespace moesaic::executor
