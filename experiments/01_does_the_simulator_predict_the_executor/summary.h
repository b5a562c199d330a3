#pragma once
// The figures of a fidelity study from what was measured and predicted of each plan. Pure functions: no plan is drawn,
// executed or simulated here, so the summary of a committed result can be computed again from its rows.

#include "experiments/01_does_the_simulator_predict_the_executor/result.h"

namespace moesaic::experiments {

/// Errors, order over all pairs and within plans of the same number of ranks, the null model, and the median error
/// against each round alone. All rows have the same number of rounds, 2 or more.
FidelitySummary fidelity_summary(const std::vector<FidelityRow>& rows);

/// `result` of a fidelity study with its summary computed again from its rows. Figures of the old summary that the rows
/// do not hold stay. `file`: for refusals.
Json with_summary_of_rows(const Json& result, const std::string& file);

}  // namespace moesaic::experiments
