#pragma once
// The result document of this question.

#include "experiments/laboratory/record.h"

namespace moesaic::experiments {

/// One step by one engine, in core seconds; bytes are the largest of the rounds.
struct CostRow {
  std::string engine;
  double zipf_exponent = 0;  // 0: uniform
  int gpus = 0, layers = 0;
  int64_t graph_tasks = 0, tasks = 0, activities = 0;
  double step_s = 0;                                  // the answer
  double core_s = 0;                                  // lowering and simulating, the median round
  std::vector<double> lower_core_s, simulate_core_s;  // [rounds]
  int64_t begin_bytes = 0, lowered_bytes = 0, peak_bytes = 0;
  static void members(auto& self, auto visit) {
    visit("engine", self.engine);
    visit("zipf_exponent", self.zipf_exponent);
    visit("gpus", self.gpus);
    visit("layers", self.layers);
    visit("graph_tasks", self.graph_tasks);
    visit("tasks", self.tasks);
    visit("activities", self.activities);
    visit("step_s", self.step_s);
    visit("core_s", self.core_s);
    visit("lower_core_s", self.lower_core_s);
    visit("simulate_core_s", self.simulate_core_s);
    visit("begin_bytes", self.begin_bytes);
    visit("lowered_bytes", self.lowered_bytes);
    visit("peak_bytes", self.peak_bytes);
  }
};

/// From the smallest to the largest size along one axis. Order p of growth: cost ~ size^p over the upper half of the
/// axis, log(cost at the last size / cost at the middle one) / log(last size / middle one).
struct CostGrowth {
  std::string engine;
  double zipf_exponent = 0;
  std::string axis;  // "gpus" or "layers"
  int smallest = 0, largest = 0;
  double smallest_core_s = 0, largest_core_s = 0, order_of_core_s = 0;  // lowering and simulating
  int64_t smallest_bytes = 0, largest_bytes = 0;
  double order_of_bytes = 0;
  static void members(auto& self, auto visit) {
    visit("engine", self.engine);
    visit("zipf_exponent", self.zipf_exponent);
    visit("axis", self.axis);
    visit("smallest", self.smallest);
    visit("largest", self.largest);
    visit("smallest_core_s", self.smallest_core_s);
    visit("largest_core_s", self.largest_core_s);
    visit("order_of_core_s", self.order_of_core_s);
    visit("smallest_bytes", self.smallest_bytes);
    visit("largest_bytes", self.largest_bytes);
    visit("order_of_bytes", self.order_of_bytes);
  }
};

struct CostResult {
  static constexpr const char* kKind = "result";
  std::string experiment;
  int rounds = 0;
  int layers_of_clusters = 0, gpus_of_models = 0;  // what stays as the other grows
  std::vector<CostGrowth> summary;
  double widest_difference_of_engines = 0;  // |step / step of the first engine - 1|
  std::vector<CostRow> rows;
  static void members(auto& self, auto visit) {
    visit("experiment", self.experiment);
    visit("rounds", self.rounds);
    visit("layers_of_clusters", self.layers_of_clusters);
    visit("gpus_of_models", self.gpus_of_models);
    visit("summary", self.summary);
    visit("widest_difference_of_engines", self.widest_difference_of_engines);
    visit("rows", self.rows);
  }
};

}  // namespace moesaic::experiments
