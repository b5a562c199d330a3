#pragma once
// Does the simulator predict the executor? Draws plans, executes each several times interleaved with the others, and
// compares: errors of the step, routing and prices apart, the order of the plans, and a plain FLOPs-and-bytes model
// beside ours.

#include "experiments/01_does_the_simulator_predict_the_executor/result.h"
#include "experiments/laboratory/study.h"

namespace moesaic::experiments {

struct FidelityAxes {
  std::string name;
  DocumentNames documents;  // cluster and profile: those of one machine
  std::vector<int> ranks;
  int plans_per_rank_count = 12;
  bool memory = false;  // draw decisions about training memory as well
  int rounds = 3;
  int64_t steps = 15;
  uint64_t seed = 1;
};
FidelityAxes read_fidelity_axes(const Json& json, const std::string& file);

FidelityResult run_fidelity_study(const FidelityAxes& axes, const Laboratory& laboratory);
std::string fidelity_tables(const FidelityResult& result);

extern const Study kFidelityStudy;

}  // namespace moesaic::experiments
