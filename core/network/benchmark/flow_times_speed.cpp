// Seconds that flow_times takes for skewed all-to-alls of 64 ranks, one flow per pair, from the flows to their times.
// Arguments: Zipf exponent in tenths; devices per node (1: one switch); tolerance in thousandths.
#include <benchmark/benchmark.h>

#include <numeric>

#include "core/network/flow_times.h"
#include "core/network/pair_flows.h"
#include "core/schema/routing.h"

namespace {

using namespace moesaic;

constexpr int kRanks = 64;
constexpr int64_t kAssignments = 8192 * 8;  // 8192 tokens a rank, top 8
constexpr Bytes kBytesPerRow = 14336;       // hidden size 7168 in bf16

PortFlows skewed_all_to_all(double zipf, int devices_per_node) {
  Cluster cluster;
  cluster.num_nodes = kRanks / devices_per_node;
  cluster.devices_per_node = cluster.nics_per_node = devices_per_node;
  cluster.intra_node = {450e9, 0};
  cluster.nic = {50e9, 0};
  RoutingDocument document;
  document.generator = {.zipf_exponent = zipf, .seed = 1, .sampled = true};
  const Routing routing(document, 1, kRanks, kRanks, kAssignments);
  std::vector<int> group(kRanks);
  std::iota(group.begin(), group.end(), 0);
  const auto pair_bytes = [&](int from, int to) {
    return routing.counts(0, 0, from)[static_cast<size_t>(to)] * kBytesPerRow;
  };
  return all_to_all_flows(group, pair_bytes, cluster);
}

void skewed(benchmark::State& state) {
  const PortFlows flows = skewed_all_to_all(static_cast<double>(state.range(0)) / 10, static_cast<int>(state.range(1)));
  FlowTimes times;
  for (auto _ : state) {
    times = flow_times(flows, static_cast<double>(state.range(2)) / 1000);
    benchmark::DoNotOptimize(times.makespan);
  }
  state.counters["flows"] = flows.num_flows();
  state.counters["shares"] = times.shares;
  state.counters["makespan_ms"] = times.makespan * 1e3;
}

BENCHMARK(skewed)
    ->ArgNames({"zipf_tenths", "devices_per_node", "tolerance_thousandths"})
    ->ArgsProduct({{8, 12}, {1, 8}, {0, 50, 100, 200}})
    ->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
