// Placements per second that the closed form of an MoE layer prices from scratch, exchanges per second that it prices
// without making them, and makes and takes back; and moves of the local search. 256 experts, rows by a Zipf law of
// exponent 1, every source with its own share of them; 8 ranks on one node, or 64 on 8.

#include <benchmark/benchmark.h>

#include <cmath>
#include <random>

#include "planner/placement/layer_evaluation.h"
#include "planner/placement/local_search.h"
#include "planner/placement/lpt.h"
#include "planner/placement/rank_loads.h"

namespace moesaic::planner {
namespace {

constexpr int kExperts = 256, kLayers = 58;  // DeepSeek-V3
constexpr int kRanksPerNode = 8;

// Seconds of one expert of DeepSeek-V3 on an H100, of its rows over NVLink and InfiniBand: of this size, not measured.
const LayerCostModel kModel{2e-7, 15e-6, 3e-8, 3e-7, kRanksPerNode, {}};

LayerLoad load_of(int num_ranks, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<double> rows(static_cast<std::size_t>(num_ranks) * kExperts);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto popularity = static_cast<double>((i % kExperts * 37 + seed) % kExperts + 1);
    rows[i] = 4096.0 / popularity * (0.5 + static_cast<double>(random() % 1000) / 1000.0);
  }
  return measured_sources(rows, kExperts);
}

LayerPlacement placed(const LayerLoad& load, int num_ranks) {
  return lpt({kExperts, num_ranks, (kExperts + num_ranks - 1) / num_ranks + 1, load.tokens, {true}}).placement;
}

/// Allowed exchanges of random slots.
std::vector<Move> exchanges(const RankLoads& loads, int wanted) {
  std::mt19937_64 random(1);
  std::vector<Move> moves;
  const auto slots = static_cast<std::uint64_t>(loads.placement().num_slots());
  while (std::ssize(moves) < wanted) {
    const Move move{static_cast<int>(random() % slots), static_cast<int>(random() % slots), -1};
    if (loads.allowed(move, {true})) moves.push_back(move);
  }
  return moves;
}

void set_rate(benchmark::State& state, const char* name, std::int64_t per_iteration) {
  state.counters[name] =
      benchmark::Counter(static_cast<double>(state.iterations() * per_iteration), benchmark::Counter::kIsRate);
}

/// One evaluation is all layers.
void full_evaluations(benchmark::State& state) {
  const int num_ranks = static_cast<int>(state.range(0));
  std::vector<LayerEvaluation> layers;
  std::vector<LayerPlacement> placements;
  for (int layer = 0; layer < kLayers; ++layer) {
    const LayerLoad load = load_of(num_ranks, static_cast<std::uint64_t>(layer));
    layers.emplace_back(load, kModel, kExperts, num_ranks);
    placements.push_back(placed(load, num_ranks));
  }
  for (auto _ : state) {
    double seconds = 0;
    for (int layer = 0; layer < kLayers; ++layer) seconds += layers[layer].seconds(placements[layer]).total();
    benchmark::DoNotOptimize(seconds);
  }
  set_rate(state, "evaluations/s", 1);
}

void plain_loops(benchmark::State& state) {
  const int num_ranks = static_cast<int>(state.range(0));
  const LayerLoad load = load_of(num_ranks, 1);
  const LayerPlacement placement = placed(load, num_ranks);
  for (auto _ : state) {
    for (int layer = 0; layer < kLayers; ++layer)
      benchmark::DoNotOptimize(layer_seconds(placement, load, kModel).total());
  }
  set_rate(state, "evaluations/s", 1);
}

void exchanges_priced(benchmark::State& state) {
  const int num_ranks = static_cast<int>(state.range(0));
  const LayerLoad load = load_of(num_ranks, 1);
  RankLoads loads(placed(load, num_ranks), load, kModel);
  const std::vector<Move> moves = exchanges(loads, 4096);
  for (auto _ : state) {
    for (const Move& move : moves) benchmark::DoNotOptimize(loads.seconds_after(move));
  }
  set_rate(state, "exchanges/s", std::ssize(moves));
}

void exchanges_made(benchmark::State& state) {
  const int num_ranks = static_cast<int>(state.range(0));
  const LayerLoad load = load_of(num_ranks, 1);
  RankLoads loads(placed(load, num_ranks), load, kModel);
  const std::vector<Move> moves = exchanges(loads, 4096);
  for (auto _ : state) {
    for (const Move& move : moves) {
      const Move back = loads.apply(move);
      benchmark::DoNotOptimize(loads.seconds());
      loads.apply(back);
    }
  }
  set_rate(state, "exchanges/s", 2 * std::ssize(moves));
}

void search_moves(benchmark::State& state) {
  const int num_ranks = static_cast<int>(state.range(0));
  const LayerLoad load = load_of(num_ranks, 1);
  const LayerPlacement start = placed(load, num_ranks);
  std::int64_t moves = 0;
  for (auto _ : state) moves += local_search(start, load, kModel, {1, 20'000, 30, 4, {true}}).evaluations;
  state.counters["moves/s"] = benchmark::Counter(static_cast<double>(moves), benchmark::Counter::kIsRate);
}

BENCHMARK(full_evaluations)->Arg(8)->Arg(64);
BENCHMARK(plain_loops)->Arg(8)->Arg(64);
BENCHMARK(exchanges_priced)->Arg(8)->Arg(64);
BENCHMARK(exchanges_made)->Arg(8)->Arg(64);
BENCHMARK(search_moves)->Arg(8)->Arg(64);

}  // namespace
}  // namespace moesaic::planner

BENCHMARK_MAIN();
