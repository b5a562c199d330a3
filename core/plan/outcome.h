#pragma once
// What planning found out beside the plan's choices: what they promise, and what lost against them.

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "core/schema/units.h"

namespace moesaic {

using Json = nlohmann::ordered_json;
class Field;

/// What the planner promises; zero where it has not been evaluated.
struct Prediction {
  Seconds step_seconds = 0;
  double tokens_per_second = 0;
  Seconds lower_bound_seconds = 0;   // of all plans that were searched; 0: none is known
  double gap = 0;                    // step_seconds / lower_bound_seconds - 1
  Seconds layout_bound_seconds = 0;  // of all plans of this layout; 0: none is known
  Seconds exposed_communication_seconds = 0;
  Seconds bubble_seconds = 0;               // in which a rank only waits for another pipeline stage, mean over ranks
  Seconds exposed_transfer_seconds = 0;     // in which only copies between tiers run, mean over ranks
  std::map<std::string, Bytes> peak_bytes;  // by tier: "device", "host", "storage"
  /// What the step is bound by, by resource (core/timeline/critical_path.h); empty: not said.
  std::map<std::string, Seconds> critical_path_seconds;
  int64_t tasks = 0;
  std::string made_for;  // hash of the decisions and documents (predicted.h); "": not said
  bool operator==(const Prediction&) const = default;
};

/// One decision and the alternatives that lost, for `moesaic explain`.
struct Alternative {
  std::string choice;
  Seconds step_seconds = 0;
  std::string reason;  // why infeasible; empty when it was only slower
  bool operator==(const Alternative&) const = default;
};
struct Decision {
  std::string what;
  std::string choice;
  std::vector<Alternative> runners_up;
  bool operator==(const Decision&) const = default;
};

/// No prediction where the field is absent.
Prediction read_prediction(const Field& field);
Json write_prediction(const Prediction& prediction);
std::vector<Decision> read_decisions(const Field& field);
Json write_decisions(const std::vector<Decision>& decisions);

}  // namespace moesaic
