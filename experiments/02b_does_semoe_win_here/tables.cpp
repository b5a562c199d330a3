// The result of two presets on one machine as Markdown.
#include "core/schema/formatted.h"
#include "experiments/02b_does_semoe_win_here/study.h"
#include "experiments/figures/table.h"

namespace moesaic::experiments {
namespace {

std::string row_of(const std::string& preset, const char* how, const StepFigures& figures) {
  const auto milliseconds = [](Seconds seconds) { return number("%.2f", 1e3 * seconds); };
  std::vector<std::string> cells = {preset, how, milliseconds(figures.step_seconds)};
  for (const Seconds seconds : figures.class_seconds.of) cells.push_back(milliseconds(seconds));
  return table_row(cells);
}

}  // namespace

std::string presets_here_tables(const PresetsHereResult& result) {
  const PresetsSummary& summary = result.summary;
  std::string text = formatted(
      "Speed-up of %s over %s: predicted %.3f, with the recorded routing %.3f, measured %.3f (noise %.3f).\n\n",
      result.presets.at(1).preset.c_str(), result.presets.at(0).preset.c_str(), summary.speedup_predicted,
      summary.speedup_predicted_with_recorded_routing, summary.speedup_measured, summary.noise);
  std::vector<std::string> columns = {"preset", "milliseconds", "step"};
  for (int i = 0; i < kNumTaskClasses; ++i) columns.emplace_back(name_of(static_cast<TaskClass>(i)));
  text += table_head(columns);
  for (const PresetFigures& side : result.presets)
    text += row_of(side.preset, "predicted", side.predicted_with_recorded_routing) +
            row_of(side.preset, "measured", side.measured.figures);
  return text;
}

}  // namespace moesaic::experiments
