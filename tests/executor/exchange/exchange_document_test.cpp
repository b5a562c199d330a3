// Times have lower bounds that the links give; upper ones are the machine's.
#include "executor/exchange/exchange_document.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "executor/comm/threads.h"
#include "executor/cpu/cpu_backend.h"

namespace moesaic::executor {
namespace {

/// 2 nodes of 2 ranks and one card; every rank has 4 tokens for the expert of each rank, rows of 16 bytes.
Plan plan_of_four_ranks() {
  Plan plan;
  plan.name = "exchange";
  Model& m = plan.model;
  m.family = "gpt_moe";
  m.num_layers = m.num_heads = m.num_kv_heads = m.top_k = 1;
  m.hidden = m.head_dim = 4;
  m.vocabulary = 16;
  m.num_experts = 4;
  m.expert_intermediate = m.dense_intermediate = 4;
  m.moe_layers = {true};
  plan.cluster.num_nodes = plan.cluster.devices_per_node = 2;
  plan.cluster.intra_node = {2e9, 1e-6};
  plan.cluster.nic = {1e9, 2e-4, 1e-3};
  plan.workload.phase = WorkloadPhase::prefill;
  plan.workload.global_batch = 4;
  plan.workload.sequence_length = 16;
  plan.layout = {4, 4, 1};
  return plan;
}

TEST(ExchangeDocument, GivesThreadsTheLinksOfTheCluster) {
  const LocalOptions links = links_of(plan_of_four_ranks().cluster);
  EXPECT_EQ(links.ranks_per_node, 2);
  EXPECT_EQ(links.cards_per_node, 1);
  EXPECT_EQ(links.intra_node.latency_s, 1e-6);
  EXPECT_EQ(links.intra_node.bytes_per_s, 2e9);
  EXPECT_EQ(links.intra_node.message_s, 0);
  EXPECT_EQ(links.inter_node.latency_s, 2e-4);
  EXPECT_EQ(links.inter_node.bytes_per_s, 1e9);
  EXPECT_EQ(links.inter_node.message_s, 1e-3);
}

// A card is busy 1 ms with each of p (R - p) = 4 messages in a flat exchange and R - p = 2 in a hierarchical one, and
// the last arrives 0.2 ms later. Between nodes go 2 * 4 and 2 * 2 messages with the rows of 8 pairs, 8 * 4 * 16 bytes.
TEST(ExchangeDocument, TimesBothOnTheSameLinks) {
  const Plan plan = plan_of_four_ranks();
  Json times;
  run_on_threads(4, links_of(plan.cluster), [&](int rank, Transport& transport) {
    cpu::CpuBackend backend;
    const Json own = measure_exchanges({plan}, 3, rank, backend, transport);
    if (rank == 0) times = own;
  });
  ASSERT_EQ(times.size(), 1u);
  const auto check = [&](const char* kind, double least, int messages) {
    const auto seconds = times[0][kind]["seconds"].get<std::vector<double>>();
    EXPECT_EQ(seconds.size(), 3u);
    EXPECT_GE(*std::min_element(seconds.begin(), seconds.end()), least) << kind;
    EXPECT_EQ(times[0][kind]["inter_node_messages"], messages);
    EXPECT_EQ(times[0][kind]["inter_node_bytes"], 512);
  };
  check("flat", 4.2e-3, 8);
  check("hierarchical", 2.2e-3, 4);
}

}  // namespace
}  // namespace moesaic::executor
