#include "experiments/02b_does_semoe_win_here/study.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/schema/formatted.h"
#include "core/schema/object_reader.h"
#include "experiments/02_semoe_training_table/cells.h"
#include "experiments/02_semoe_training_table/task_classes.h"
#include "experiments/figures/statistics.h"
#include "experiments/figures/table.h"

namespace moesaic::experiments {
namespace {

struct Side {
  std::string preset;
  Plan plan;
  std::vector<double> repeats;  // [rounds] median step seconds
  Json last;                    // the executor's document of the last round
};

Json document_of(const Timeline& timeline) {
  return {{"step_seconds", timeline.step_seconds},
          {"class_seconds", class_document(class_seconds(timeline))},
          {"peak_bytes", peak_memory(timeline)}};
}

/// Measured: the classes are those of one step, the median step of the last round.
Json document_of(const Side& side, const PresetsHereHooks& hooks) {
  Plan recorded = side.plan;
  recorded.routing = read_routing(side.last["routing"], "result", "/routing");
  Json measured = document_of(read_timeline(side.last["timeline"], "result"));
  measured["step_seconds"] = median(side.repeats);
  measured["repeats_s"] = side.repeats;
  measured["repeat_noise"] = repeat_noise(side.repeats);
  return {{"preset", side.preset},
          {"predicted", document_of(hooks.simulate(side.plan, 0))},
          {"predicted_with_recorded_routing", document_of(hooks.simulate(recorded, side.last["timeline_step"]))},
          {"measured", measured}};
}

/// The baseline's step over the system's: above 1 the system is faster.
double speedup(const Json& sides, const char* how) {
  return sides[0][how]["step_seconds"].get<double>() / sides[1][how]["step_seconds"].get<double>();
}

std::string milliseconds(double seconds) { return number("%.2f", 1e3 * seconds); }

}  // namespace

PresetsHere read_presets_here(const Json& json, const std::string& file) {
  ObjectReader reader = open_document(json, file, "", "experiment");
  PresetsHere study;
  study.name = reader["name"].text();
  study.question = reader["question"].text();
  study.model = reader["model"].text();
  study.workload = reader["workload"].text();
  study.routing = reader["routing"].text();
  study.machine = reader["machine"].text();
  study.baseline = reader["baseline"].text();
  study.system = reader["system"].text();
  study.ranks = static_cast<int>(reader["ranks"].integer({1, 64}));
  study.rounds = static_cast<int>(reader["rounds"].integer({2, 100}));
  study.steps = reader["steps"].integer({3, 100000});
  reader.finish();
  return study;
}

Json run_presets_here(const PresetsHere& study, const planner::Problem& problem, const planner::Fixed& baseline,
                      const planner::Fixed& system, const PresetsHereHooks& hooks) {
  Side sides[] = {{study.baseline, preset_plan(problem, baseline), {}, {}},
                  {study.system, preset_plan(problem, system), {}, {}}};
  // The order turns from round to round, so that a slow minute meets both alike.
  for (int i = 0; i < 2 * study.rounds; ++i) {
    Side& side = sides[(i / 2 + i) % 2];
    side.last = hooks.execute(side.plan, study.steps);
    side.repeats.push_back(side.last["step_seconds"]);
    hooks.progress(i + 1, 2 * study.rounds);
  }
  const Json documents = Json::array({document_of(sides[0], hooks), document_of(sides[1], hooks)});
  const double measured = speedup(documents, "measured");
  const double noise = repeat_noise(sides[0].repeats) + repeat_noise(sides[1].repeats);
  return {{"kind", "moesaic.result/1"},
          {"experiment", study.name},
          {"machine", problem.profile.machine},
          {"rounds", study.rounds},
          {"steps", study.steps},
          {"summary",
           {{"speedup_predicted", speedup(documents, "predicted")},
            {"speedup_predicted_with_recorded_routing", speedup(documents, "predicted_with_recorded_routing")},
            {"speedup_measured", measured},
            {"noise", noise},
            {"beyond_noise", std::abs(measured - 1) > noise}}},
          {"presets", documents}};
}

std::string presets_here_tables(const Json& result) {
  const Json& summary = result["summary"];
  std::string text = formatted(
      "Speed-up of %s over %s: predicted %.3f, with the recorded routing %.3f, measured %.3f (noise %.3f).\n\n",
      result["presets"][1]["preset"].get<std::string>().c_str(),
      result["presets"][0]["preset"].get<std::string>().c_str(), summary["speedup_predicted"].get<double>(),
      summary["speedup_predicted_with_recorded_routing"].get<double>(), summary["speedup_measured"].get<double>(),
      summary["noise"].get<double>());
  std::vector<std::string> columns = {"preset", "milliseconds", "step"};
  for (const auto& [name, seconds] : result["presets"][0]["measured"]["class_seconds"].items()) columns.push_back(name);
  text += table_head(columns);
  for (const Json& side : result["presets"])
    for (const auto& [how, name] :
         {std::pair{"predicted_with_recorded_routing", "predicted"}, {"measured", "measured"}}) {
      std::vector<std::string> cells = {side["preset"], name, milliseconds(side[how]["step_seconds"])};
      for (const Json& seconds : side[how]["class_seconds"]) cells.push_back(milliseconds(seconds));
      text += table_row(cells);
    }
  return text;
}

}  // namespace moesaic::experiments
