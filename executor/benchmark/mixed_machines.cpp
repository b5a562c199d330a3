// Two ranks, one of them half as fast as the other: an even split of the batch against 2:1, in turns, and against what
// the busiest rank's work predicts. Both sleep most of the time, so that neither they nor the machine's other work
// meet.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "core/plan/plan.h"
#include "core/schema/documents.h"
#include "executor/backend/slowed_backend.h"
#include "executor/comm/threads.h"
#include "executor/cpu/cpu_backend.h"
#include "executor/runtime/training/trainer.h"

namespace moesaic::executor {
namespace {

constexpr int kRounds = 9;
constexpr int64_t kSteps = 3;  // the median of the last two
constexpr double kSpeeds[] = {0.125, 0.0625};

/// With all experts on each rank, so that experts' rows follow the split.
Plan plan_of(std::vector<int64_t> shares) {
  const std::string model = MOESAIC_SOURCE_DIR "/profiles/models/gpt-moe-tiny.json";
  Plan plan;
  plan.name = "mixed machines";
  plan.model = read_model(read_json(model), model);
  plan.cluster.devices_per_node = 2;
  plan.cluster.device.lanes_share_core = true;
  plan.cluster.intra_node = {1e9, 1e-6};
  plan.workload.global_batch = 12;
  plan.workload.sequence_length = 128;
  plan.layout.ranks = 2;
  plan.elastic.sequences_per_rank = std::move(shares);
  check_plan(plan, plan.name);
  return plan;
}

Seconds seconds_of(const Plan& plan, const Corpus& corpus) {
  TrainResult result;
  TrainOptions options;
  options.steps = kSteps;
  options.check = [] { std::this_thread::sleep_for(std::chrono::microseconds(50)); };  // whoever waits takes no core
  run_on_threads(2, 2, [&](int rank, Transport& transport) {
    cpu::CpuBackend cores;
    SlowedBackend device(cores, kSpeeds[rank]);
    TrainResult own = train(plan, rank, device, transport, corpus, options);
    if (rank == 0) result = std::move(own);
  });
  return result.timeline.step_seconds;
}

void run() {
  std::vector<uint8_t> bytes;
  for (int i = 0; i < 8192; ++i) bytes.push_back(static_cast<uint8_t>('a' + i * i % 23));
  const Corpus corpus(bytes);
  const Plan even = plan_of({6, 6}), fair = plan_of({8, 4});
  std::vector<double> ratios;
  for (int round = 0; round < kRounds; ++round) {
    const Seconds even_s = seconds_of(even, corpus), fair_s = seconds_of(fair, corpus);
    ratios.push_back(even_s / fair_s);
    std::printf("round %d   even %7.2f ms   2:1 %7.2f ms   ratio %.3f\n", round, even_s * 1e3, fair_s * 1e3,
                ratios.back());
  }
  std::sort(ratios.begin(), ratios.end());
  // Busiest rank, by the faster one's speed: 6 / 0.5 = 12 sequences' time against 8 / 1 = 4 / 0.5 = 8.
  std::printf("2:1 is %.3f times as fast (median of %d; %.3f to %.3f); its work alone predicts %.3f\n",
              ratios[kRounds / 2], kRounds, ratios.front(), ratios.back(), 12.0 / 8.0);
}

}  // namespace
}  // namespace moesaic::executor

int main() {
  moesaic::executor::run();
  return 0;
}
