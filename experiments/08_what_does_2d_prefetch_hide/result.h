#pragma once
// The result document of a prefetch grid.

#include "experiments/laboratory/scenarios.h"

namespace moesaic::experiments {

struct GridTimes {
  Seconds step_s = 0, exposed_communication_s = 0, exposed_transfer_s = 0;

  static void members(auto& self, auto visit) {
    visit("step_s", self.step_s);
    visit("exposed_communication_s", self.exposed_communication_s);
    visit("exposed_transfer_s", self.exposed_transfer_s);
  }
};

struct GridCell {
  std::string prefetch;  // "none", "dense", "sparse", "both"
  GridTimes simulated;
  std::optional<GridTimes> measured;  // medians over the rounds

  static void members(auto& self, auto visit) {
    visit("prefetch", self.prefetch);
    visit("simulated", self.simulated);
    visit("measured", self.measured);
  }
};

struct GridResultScenario {
  std::string scenario;
  double cached_share = 0;
  std::vector<GridCell> cells;

  static void members(auto& self, auto visit) {
    visit("scenario", self.scenario);
    visit("cached_share", self.cached_share);
    visit("cells", self.cells);
  }
};

using GridResult = ScenarioResult<GridResultScenario>;

}  // namespace moesaic::experiments
