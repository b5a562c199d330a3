#pragma once
// The result document of two presets on one machine. Prediction and measurement stand apart.

#include "experiments/02_semoe_training_table/task_classes.h"
#include "experiments/laboratory/record.h"

namespace moesaic::experiments {

struct StepFigures {
  Seconds step_seconds = 0;
  ClassSeconds class_seconds;
  Bytes peak_bytes = 0;

  static void members(auto& self, auto visit) {
    visit("step_seconds", self.step_seconds);
    visit("class_seconds", self.class_seconds);
    visit("peak_bytes", self.peak_bytes);
  }
};

/// The step is the median of the rounds; classes and memory are those of one step, the median step of the last round.
struct MeasuredFigures {
  StepFigures figures;
  std::vector<double> repeats_s;  // [rounds] median step
  double repeat_noise = 0;

  static void members(auto& self, auto visit) {
    StepFigures::members(self.figures, visit);
    visit("repeats_s", self.repeats_s);
    visit("repeat_noise", self.repeat_noise);
  }
};

struct PresetFigures {
  std::string preset;
  StepFigures predicted, predicted_with_recorded_routing;
  MeasuredFigures measured;

  static void members(auto& self, auto visit) {
    visit("preset", self.preset);
    visit("predicted", self.predicted);
    visit("predicted_with_recorded_routing", self.predicted_with_recorded_routing);
    visit("measured", self.measured);
  }
};

/// The baseline's step over the system's: above 1 the system is faster.
struct PresetsSummary {
  double speedup_predicted = 0, speedup_predicted_with_recorded_routing = 0, speedup_measured = 0;
  double noise = 0;
  bool beyond_noise = false;

  static void members(auto& self, auto visit) {
    visit("speedup_predicted", self.speedup_predicted);
    visit("speedup_predicted_with_recorded_routing", self.speedup_predicted_with_recorded_routing);
    visit("speedup_measured", self.speedup_measured);
    visit("noise", self.noise);
    visit("beyond_noise", self.beyond_noise);
  }
};

struct PresetsHereResult {
  static constexpr const char* kKind = "result";
  std::string experiment, machine;
  int rounds = 0;
  int64_t steps = 0;
  PresetsSummary summary;
  std::vector<PresetFigures> presets;  // baseline, system

  static void members(auto& self, auto visit) {
    visit("experiment", self.experiment);
    visit("machine", self.machine);
    visit("rounds", self.rounds);
    visit("steps", self.steps);
    visit("summary", self.summary);
    visit("presets", self.presets);
  }
};

}  // namespace moesaic::experiments
