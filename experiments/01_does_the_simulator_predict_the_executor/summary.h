#pragma once
// The figures of a fidelity study from what was measured and predicted of each plan. Pure functions: no plan is drawn,
// executed or simulated here, so the summary of a committed result can be computed again from its rows.

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/schema/object_reader.h"

namespace moesaic::experiments {

/// One plan of the study. Predictions: as planned, and with the routing that the last run recorded.
struct MeasuredPlan {
  int ranks = 1;
  std::vector<double> repeats_s;  // [rounds] the median step of each round
  double predicted_s = 0, predicted_with_recorded_routing_s = 0;
  double plain_model_s = 0;
  std::optional<double> plain_model_with_recorded_routing_s;  // absent in older results
};

/// The member "summary": errors, order over all pairs and within plans of the same number of ranks, the null model (the
/// median measured step of the other plans with the same number of ranks; its order is left out, since it says
/// nothing), and the median error against each round alone. Errors are fractions. Figures whose predictions are absent
/// are left out. All plans have the same number of rounds, 2 or more.
Json fidelity_summary(const std::vector<MeasuredPlan>& plans);

/// `result` of `run_fidelity_study` with its summary computed again from its rows. Figures of the old summary that the
/// rows do not hold stay. `file`: for refusals.
Json with_summary_of_rows(const Json& result, const std::string& file);

}  // namespace moesaic::experiments
