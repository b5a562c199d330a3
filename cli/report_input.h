#pragma once
// What the HTML report shows of a plan and its timelines. The drawing is cli/report's.

#include "cli/report/html_report.h"
#include "core/plan/plan.h"

namespace moesaic::cli {

/// Placement is shown with the loads of the plan's routing: of a run, pass the plan with the routing that it recorded.
/// `measured_peaks`: the peak_bytes of an execution's result.
ReportInput report_input(const Plan& plan, const Timeline* predicted, const Timeline* measured,
                         const Comparison* comparison, std::map<std::string, Bytes> measured_peaks = {});

}  // namespace moesaic::cli
