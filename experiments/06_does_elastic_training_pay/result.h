#pragma once
// The result document of an elastic study.

#include "experiments/laboratory/record.h"

namespace moesaic::experiments {

struct ElasticExecution {
  double slowdown = 1;
  int64_t steps = 0;
  Seconds step_seconds = 0;
  double samples_per_second = 0, samples_per_second_and_device = 0;
  std::vector<double> rounds_step_seconds, rounds_lasted_over_due, rounds_woke_late_seconds;  // [rounds]
  double loss_difference = 0;  // largest |loss - expected| / expected over rounds and steps

  static void members(auto& self, auto visit) {
    visit("slowdown", self.slowdown);
    visit("steps", self.steps);
    visit("step_seconds", self.step_seconds);
    visit("samples_per_second", self.samples_per_second);
    visit("samples_per_second_and_device", self.samples_per_second_and_device);
    visit("rounds_step_seconds", self.rounds_step_seconds);
    visit("rounds_lasted_over_due", self.rounds_lasted_over_due);
    visit("rounds_woke_late_seconds", self.rounds_woke_late_seconds);
    visit("loss_difference", self.loss_difference);
  }
};

/// One setting of a scene. What is simulated of it is there where it is feasible.
struct ElasticRow {
  std::string scene, setting;
  int ranks = 0;
  std::vector<int64_t> sequences_per_rank;
  bool feasible = true;
  std::string reason;  // infeasible: why
  Seconds step_seconds = 0;
  double samples_per_second = 0, samples_per_second_and_device = 0;
  Seconds exposed_communication_seconds = 0;
  Bytes peak_bytes = 0;
  std::map<std::string, int64_t> price_basis;  // number of priced tasks by basis
  std::optional<ElasticExecution> executed;

  static void members(auto& self, auto visit) {
    visit("scene", self.scene);
    visit("setting", self.setting);
    visit("ranks", self.ranks);
    visit("sequences_per_rank", self.sequences_per_rank);
    visit("feasible", self.feasible);
    visit("reason", self.reason);
    if (self.feasible) {
      visit("step_seconds", self.step_seconds);
      visit("samples_per_second", self.samples_per_second);
      visit("samples_per_second_and_device", self.samples_per_second_and_device);
      visit("exposed_communication_seconds", self.exposed_communication_seconds);
      visit("peak_bytes", self.peak_bytes);
      visit("price_basis", self.price_basis);
    }
    visit("executed", self.executed);
  }
};

struct ElasticResult {
  static constexpr const char* kKind = "experiment_result";
  std::string name;
  std::vector<ElasticRow> rows, summary;  // the summary is the rows

  static void members(auto& self, auto visit) {
    visit("name", self.name);
    visit("rows", self.rows);
    visit("summary", self.summary);
  }
};

}  // namespace moesaic::experiments
