#pragma once
// The files of the report as they were when the program was built. The build writes the definition; nothing is read at
// run time.

#include <string_view>

namespace moesaic {

/// Contents of a file of this folder ("page.html") or of Chart.js ("chart.min.js"); empty where the build did not have
/// it.
std::string_view report_asset(std::string_view name);

}  // namespace moesaic
