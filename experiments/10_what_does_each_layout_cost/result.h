#pragma once
// The result document of a layout study.

#include "experiments/laboratory/scenarios.h"

namespace moesaic::experiments {

struct LayoutFigures {
  Seconds step_s = 0, exposed_communication_s = 0;
  Bytes peak_device_bytes = 0;
  std::optional<std::string> infeasible;  // of a simulation: why it does not fit

  static void members(auto& self, auto visit) {
    visit("step_s", self.step_s);
    visit("exposed_communication_s", self.exposed_communication_s);
    visit("peak_device_bytes", self.peak_device_bytes);
    visit("infeasible", self.infeasible);
  }
};

struct LayoutResultRow {
  std::string layout;
  LayoutFigures simulated;
  std::optional<LayoutFigures> measured;  // medians over the rounds

  static void members(auto& self, auto visit) {
    visit("layout", self.layout);
    visit("simulated", self.simulated);
    visit("measured", self.measured);
  }
};

struct LayoutResultScenario {
  std::string scenario;
  std::vector<LayoutResultRow> rows;

  static void members(auto& self, auto visit) {
    visit("scenario", self.scenario);
    visit("rows", self.rows);
  }
};

using LayoutResult = ScenarioResult<LayoutResultScenario>;

}  // namespace moesaic::experiments
