#include "cli/report/html_report.h"

#include <nlohmann/json.hpp>
#include <string_view>

#include "cli/report/assets.h"
#include "cli/report/report_data.h"
#include "cli/report/svg.h"

namespace moesaic {
namespace {

/// JSON inside a script element: no '<' may remain, or "</script>" in a label would end the element.
std::string embedded_json(const Json& json) {
  std::string result;
  for (const char c : json.dump(-1, ' ', false, Json::error_handler_t::replace)) {
    if (c == '<') {
      result += "\\u003c";
    } else {
      result += c;
    }
  }
  return result;
}

std::string scripts() {
  std::string text;
  for (const char* part : {"units.js", "colours.js", "headline.js", "timeline_view.js", "timeline.js", "charts.js",
                           "training.js", "memory.js", "tables.js", "placement.js"}) {
    text += report_asset(part);
  }
  return text;
}

/// Text of a {{name}} of the page.
std::string value_of(std::string_view name, const ReportInput& input) {
  if (name == "title") return escaped_markup(input.title);
  if (name == "style") return std::string(report_asset("style.css"));
  if (name == "chart") return std::string(report_asset("chart.min.js"));
  if (name == "data") return embedded_json(report_data(input));
  return scripts();
}

}  // namespace

std::string html_report(const ReportInput& input) {
  const std::string_view page = report_asset("page.html");
  std::string html;
  size_t at = 0;
  for (size_t open = page.find("{{"); open != std::string_view::npos; open = page.find("{{", at)) {
    const size_t close = page.find("}}", open);
    html += page.substr(at, open - at);
    html += value_of(page.substr(open + 2, close - open - 2), input);
    at = close + 2;
  }
  html += page.substr(at);
  return html;
}

}  // namespace moesaic
