// One exchange alone, for routings that are given row by row: flat and hierarchical leave the same rows at the same
// places, which plain loops know, and send between nodes what the formulas and CollectiveDemand say.
#include "executor/exchange/exchange.h"

#include <gtest/gtest.h>

#include <map>
#include <mutex>
#include <numeric>
#include <set>
#include <thread>

#include "core/network/collective_demand.h"
#include "core/schema/hash.h"
#include "core/technique/lower.h"
#include "executor/comm/threads.h"
#include "executor/cpu/cpu_backend.h"

namespace moesaic::executor {
namespace {

constexpr int64_t kHidden = 4;

struct Shape {
  int nodes, per_node, ep;
  int ranks() const { return nodes * per_node; }
};

/// A prefill step of one MoE layer, as inference may replicate experts.
Plan plan_of(const Shape& shape, int num_experts, AllToAllKind kind) {
  Plan plan;
  plan.name = "exchange";
  Model& m = plan.model;
  m.family = "gpt_moe";
  m.num_layers = m.num_heads = m.num_kv_heads = m.top_k = 1;
  m.hidden = m.head_dim = kHidden;
  m.vocabulary = 16;
  m.num_experts = num_experts;
  m.expert_intermediate = m.dense_intermediate = 4;
  m.moe_layers = {true};
  plan.cluster.num_nodes = shape.nodes;
  plan.cluster.devices_per_node = shape.per_node;
  plan.workload.phase = WorkloadPhase::prefill;
  plan.workload.global_batch = shape.ranks();
  plan.workload.sequence_length = 4;
  plan.layout = {shape.ranks(), shape.ep, 1};
  plan.dispatch.all_to_all = kind;
  // Every expert once and, where they do not divide evenly, the first ones once more.
  const int slots = (num_experts + shape.ep - 1) / shape.ep;
  plan.placement = {{slots, {}}};
  for (int slot = 0; slot < slots * shape.ep; ++slot) plan.placement[0].slot_to_expert.push_back(slot % num_experts);
  check_plan(plan, "test");
  return plan;
}

using ExpertRows = std::function<int64_t(int source, int expert)>;

SlotCounts counts_of(const Plan& plan, const ExpertRows& expert_rows) {
  const int experts = static_cast<int>(plan.model.num_experts);
  std::vector<int64_t> rows;
  for (int source = 0; source < plan.layout.ep; ++source)
    for (int expert = 0; expert < experts; ++expert) rows.push_back(expert_rows(source, expert));
  return split_over_slots(rows, plan.layout.ep, experts, plan.placement[0]);
}

/// The row at `index` among those that source sends to a slot, exact in f32; `first_rank` tells groups apart.
float row_value(int first_rank, int source, int slot, int64_t index) {
  return static_cast<float>(((first_rank + source) * 32 + slot) * 1000 + index);
}

/// Rows of (source, slot) for all pairs in the order in which the loops run, [rows, kHidden].
std::vector<float> rows_of(const SlotCounts& counts, int first_rank, std::pair<int, int> sources,
                           std::pair<int, int> slots) {
  std::vector<float> rows;
  for (int source = sources.first; source < sources.second; ++source)
    for (int slot = slots.first; slot < slots.second; ++slot)
      for (int64_t i = 0; i < counts.at(source, slot); ++i)
        rows.insert(rows.end(), kHidden, row_value(first_rank, source, slot, i));
  return rows;
}

std::vector<float> values(const Operand& operand) { return {operand.f32(), operand.f32() + operand.elements()}; }

struct Outcome {
  std::vector<std::vector<float>> sent, arrived, returned;  // [ranks][rows * kHidden]
  Traffic dispatch;                                         // of all ranks
};

void add(LinkTraffic& sum, const LinkTraffic& before, const LinkTraffic& after) {
  sum.messages += after.messages - before.messages;
  sum.bytes += after.bytes - before.bytes;
}

/// Dispatches rows of known values and sends what has arrived home again.
Outcome run(const Plan& plan, const SlotCounts& counts) {
  const size_t ranks = static_cast<size_t>(plan.layout.ranks);
  Outcome outcome{std::vector<std::vector<float>>(ranks),
                  std::vector<std::vector<float>>(ranks),
                  std::vector<std::vector<float>>(ranks),
                  {}};
  std::mutex mutex;
  const TaskGraph graph = lower(plan);
  run_on_threads(plan.layout.ranks, plan.cluster.devices_per_node, [&](int rank, Transport& transport) {
    cpu::CpuBackend backend;
    Exchange exchange(graph, plan, counts, rank, backend, transport);
    const int me = rank % plan.layout.ep, slots = counts.num_ranks() * counts.slots_per_rank();
    const std::vector<float> rows = rows_of(counts, rank - me, {me, me + 1}, {0, slots});
    ASSERT_EQ(exchange.sent().elements(), static_cast<int64_t>(rows.size()));
    std::copy(rows.begin(), rows.end(), exchange.sent().f32());
    const Traffic before = transport.traffic();
    exchange.dispatch(std::this_thread::yield);
    const Traffic after = transport.traffic();
    const std::vector<float> arrived = values(exchange.arrived());
    std::copy(arrived.begin(), arrived.end(), exchange.leaving().f32());
    exchange.combine(std::this_thread::yield);
    const std::lock_guard lock(mutex);
    outcome.sent[static_cast<size_t>(rank)] = rows;
    outcome.arrived[static_cast<size_t>(rank)] = arrived;
    outcome.returned[static_cast<size_t>(rank)] = values(exchange.returned());
    add(outcome.dispatch.intra_node, before.intra_node, after.intra_node);
    add(outcome.dispatch.inter_node, before.inter_node, after.inter_node);
  });
  return outcome;
}

/// What the simulator prices for the same exchange, summed over all groups.
Traffic demanded(const Plan& plan, const SlotCounts& counts) {
  const TaskGraph graph = lower(plan);
  Traffic sum;
  for (const Task* task : exchange_tasks(graph, Leg::dispatch)) {
    if (task->op != Op::all_to_all) continue;
    std::set<int> counted;
    for (int rank = 0; rank < plan.layout.ranks; ++rank) {
      if (counted.contains(rank)) continue;
      for (const MemberDemand& member : demand_of(graph, *task, rank, &counts, plan.cluster).members) {
        counted.insert(member.rank);
        add(sum.intra_node, {}, {member.intra_messages, member.intra_out});
        add(sum.inter_node, {}, {member.inter_messages, member.inter_out});
      }
    }
  }
  return sum;
}

struct RoutingCase {
  const char* name;
  int num_experts;
  ExpertRows rows;
};

/// Uneven, and the degenerate ones.
std::vector<RoutingCase> routings() {
  const auto drawn = [](int source, int expert) {
    return static_cast<int64_t>(splitmix64(static_cast<uint64_t>(source * 100 + expert)) % 5);
  };
  return {
      {"uneven", 8, drawn},
      {"half of the experts empty", 8, [=](int s, int e) { return e % 2 == 0 ? 0 : drawn(s, e); }},
      {"all tokens to one expert", 8, [](int s, int e) { return e == 5 ? 3 + s : 0; }},
      {"all tokens from one rank", 8, [](int s, int) { return s == 1 ? 2 : 0; }},
      {"no tokens", 8, [](int, int) { return 0; }},
      {"11 experts, divisible by no number of ranks", 11, drawn},
      {"5 experts, the first replicated", 5, [=](int s, int e) { return 3 * drawn(s, e); }},
  };
}

class Exchanges : public ::testing::TestWithParam<Shape> {};

TEST_P(Exchanges, LeaveRowsWhereTheFlatOneLeavesThem) {
  const Shape shape = GetParam();
  for (const RoutingCase& routing : routings()) {
    SCOPED_TRACE(routing.name);
    const Plan plan = plan_of(shape, routing.num_experts, AllToAllKind::flat);
    const SlotCounts counts = counts_of(plan, routing.rows);
    const Outcome flat = run(plan, counts);
    const Outcome hierarchical = run(plan_of(shape, routing.num_experts, AllToAllKind::hierarchical_2d), counts);
    for (int rank = 0; rank < shape.ranks(); ++rank) {
      const int me = rank % shape.ep, slots = counts.slots_per_rank();
      const std::vector<float> oracle = rows_of(counts, rank - me, {0, shape.ep}, {me * slots, (me + 1) * slots});
      EXPECT_EQ(flat.arrived[static_cast<size_t>(rank)], oracle) << "rank " << rank;
      EXPECT_EQ(hierarchical.arrived[static_cast<size_t>(rank)], oracle) << "rank " << rank;
    }
    EXPECT_EQ(flat.returned, flat.sent);
    EXPECT_EQ(hierarchical.returned, flat.sent);
  }
}

TEST_P(Exchanges, SendWhatTheDemandSays) {
  const Shape shape = GetParam();
  for (const RoutingCase& routing : routings())
    for (const AllToAllKind kind : {AllToAllKind::flat, AllToAllKind::hierarchical_2d}) {
      SCOPED_TRACE(routing.name);
      const Plan plan = plan_of(shape, routing.num_experts, kind);
      const SlotCounts counts = counts_of(plan, routing.rows);
      EXPECT_EQ(run(plan, counts).dispatch, demanded(plan, counts));
    }
}

// The last has two groups of two nodes. Nodes of one rank are legal and change nothing but copies.
INSTANTIATE_TEST_SUITE_P(Ranks, Exchanges,
                         ::testing::Values(Shape{2, 1, 2}, Shape{4, 1, 4}, Shape{2, 2, 4}, Shape{8, 1, 8},
                                           Shape{4, 2, 8}, Shape{2, 4, 8}, Shape{4, 2, 4}));

struct Accounting {
  Shape shape;
  Traffic flat, hierarchical;
};

// Every rank of R, in groups of E on nodes of p, has one row of 16 bytes for every rank. Messages:
//   flat          between nodes R (E - p),      inside R (p - 1)
//   hierarchical  between nodes R (E / p - 1),  inside R (p - 1)
// so those between nodes fall by (E - p) / (E / p - 1) = p. Bytes between nodes are those of R (E - p) rows either way;
// inside the node a row for another local rank of any node passes once: R (p - 1) E / p rows instead of R (p - 1).
TEST(Exchange, MessagesBetweenNodesFallByTheRanksPerNode) {
  const Accounting cases[] = {
      {{2, 2, 4}, {{4, 64}, {8, 128}}, {{4, 128}, {4, 128}}},
      {{4, 2, 8}, {{8, 128}, {48, 768}}, {{8, 512}, {24, 768}}},
      {{2, 4, 8}, {{24, 384}, {32, 512}}, {{24, 768}, {8, 512}}},
      {{8, 1, 8}, {{0, 0}, {56, 896}}, {{0, 0}, {56, 896}}},
      {{4, 2, 4}, {{8, 128}, {16, 256}}, {{8, 256}, {8, 256}}},
  };
  for (const Accounting& expected : cases) {
    SCOPED_TRACE(std::to_string(expected.shape.nodes) + " nodes of " + std::to_string(expected.shape.per_node));
    const Plan flat = plan_of(expected.shape, expected.shape.ep, AllToAllKind::flat);
    const Plan hierarchical = plan_of(expected.shape, expected.shape.ep, AllToAllKind::hierarchical_2d);
    const SlotCounts counts = counts_of(flat, [](int, int) { return 1; });
    EXPECT_EQ(run(flat, counts).dispatch, expected.flat);
    EXPECT_EQ(run(hierarchical, counts).dispatch, expected.hierarchical);
    EXPECT_EQ(demanded(flat, counts), expected.flat);
    EXPECT_EQ(demanded(hierarchical, counts), expected.hierarchical);
  }
}

}  // namespace
}  // namespace moesaic::executor
