#include "experiments/02b_does_semoe_win_here/study.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "experiments/02_semoe_training_table/cells.h"
#include "experiments/figures/statistics.h"

namespace moesaic::experiments {
namespace {

struct Side {
  std::string preset;
  Plan plan;
  std::vector<double> repeats;  // [rounds] median step seconds
  Execution last;               // of the last round
};

StepFigures figures_of(const Timeline& timeline) {
  return {timeline.step_seconds, class_seconds(timeline), peak_memory(timeline)};
}

PresetFigures figures_of(const Side& side, const Laboratory& laboratory) {
  Plan recorded = side.plan;
  recorded.routing = side.last.routing;
  MeasuredFigures measured{figures_of(side.last.timeline), side.repeats, repeat_noise(side.repeats)};
  measured.figures.step_seconds = median(side.repeats);
  return {side.preset, figures_of(laboratory.simulate(side.plan)), figures_of(laboratory.simulate(recorded)), measured};
}

PresetsSummary summary_of(const PresetFigures& baseline, const PresetFigures& system) {
  PresetsSummary summary;
  summary.speedup_predicted = baseline.predicted.step_seconds / system.predicted.step_seconds;
  summary.speedup_predicted_with_recorded_routing =
      baseline.predicted_with_recorded_routing.step_seconds / system.predicted_with_recorded_routing.step_seconds;
  summary.speedup_measured = baseline.measured.figures.step_seconds / system.measured.figures.step_seconds;
  summary.noise = baseline.measured.repeat_noise + system.measured.repeat_noise;
  summary.beyond_noise = std::abs(summary.speedup_measured - 1) > summary.noise;
  return summary;
}

}  // namespace

PresetsHereAxes read_presets_here_axes(const Json& json, const std::string& file) {
  ObjectReader reader = open_experiment(json, file);
  PresetsHereAxes axes;
  axes.name = reader["name"].text();
  axes.documents.model = reader["model"].text();
  axes.documents.workload = reader["workload"].text();
  axes.documents.routing = reader["routing"].text();
  axes.documents.cluster = axes.documents.profile = reader["machine"].text();
  axes.baseline = reader["baseline"].text();
  axes.system = reader["system"].text();
  axes.ranks = static_cast<int>(reader["ranks"].integer({1, 64}));
  axes.rounds = static_cast<int>(reader["rounds"].integer({2, 100}));
  axes.steps = reader["steps"].integer({3, 100000});
  reader.finish();
  return axes;
}

PresetsHereResult run_presets_here(const PresetsHereAxes& axes, const Laboratory& laboratory) {
  planner::Problem problem = laboratory.problem(axes.documents);
  problem.ranks = axes.ranks;
  Side sides[] = {{axes.baseline, preset_plan(problem, laboratory.preset(axes.baseline)), {}, {}},
                  {axes.system, preset_plan(problem, laboratory.preset(axes.system)), {}, {}}};
  // The order turns from round to round, so that a slow minute meets both alike.
  for (int i = 0; i < 2 * axes.rounds; ++i) {
    Side& side = sides[(i / 2 + i) % 2];
    side.last = laboratory.execute(side.plan, axes.steps, Way::pinned);
    side.repeats.push_back(side.last.step_seconds);
    laboratory.progress(i + 1, 2 * axes.rounds, "executions");
  }
  PresetsHereResult result{axes.name, problem.profile.machine, axes.rounds, axes.steps, {}, {}};
  for (const Side& side : sides) result.presets.push_back(figures_of(side, laboratory));
  result.summary = summary_of(result.presets[0], result.presets[1]);
  return result;
}

const Study kPresetsHereStudy =
    typed_study<read_presets_here_axes, run_presets_here, presets_here_tables>("presets_here");

}  // namespace moesaic::experiments
