#pragma once
// What the page draws, as one JSON document. The layout is private to the scripts of this folder.

#include "cli/report/html_report.h"

namespace moesaic {

Json report_data(const ReportInput& input);

/// Load of each rank relative to the mean of the layer: every replica of an expert takes an equal share. [ranks]; empty
/// where loads are unknown.
std::vector<double> relative_rank_loads(const ExpertPlacement& placement, const std::vector<double>& expert_loads);

}  // namespace moesaic
