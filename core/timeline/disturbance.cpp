#include "core/timeline/disturbance.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>

#include "core/schema/formatted.h"
#include "core/schema/object_reader.h"

namespace moesaic {
namespace {

constexpr NumberRange kShare{0, 1};
constexpr IntegerRange kSwitches{0, std::numeric_limits<int64_t>::max()};

double median_of(std::vector<Seconds> values) {
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  return n == 0 ? 0 : (values[(n - 1) / 2] + values[n / 2]) / 2;
}

}  // namespace

double RunDisturbance::share() const {
  if (by_rank.empty()) return 0;
  return std::accumulate(by_rank.begin(), by_rank.end(), 0.0) / static_cast<double>(by_rank.size());
}

std::string sentence_of(const RunDisturbance& disturbance) {
  if (!disturbance.disturbed()) return "";
  std::string causes;
  if (disturbance.share() >= kDisturbedShare) {
    causes = formatted(" %.0f %% of the ranks' time", 100 * disturbance.share());
    if (disturbance.ranks_per_core > 1) causes += formatted(", with %.3g ranks per core", disturbance.ranks_per_core);
  }
  if (disturbance.steal_share >= kDisturbedShare)
    causes += (causes.empty() ? "" : ",") +
              formatted(" %.0f %% of its cores' time went to other guests", 100 * disturbance.steal_share);
  return "the machine was disturbed:" + causes;
}

UndisturbedSteps undisturbed_steps(const std::vector<Seconds>& step_seconds, const std::vector<double>& by_step) {
  UndisturbedSteps result;
  std::vector<Seconds> quiet;
  result.without_first = by_step.size() > 1;
  for (size_t step = result.without_first ? 1 : 0; step < by_step.size(); ++step) {
    ++result.of;
    if (by_step[step] < kDisturbedShare) quiet.push_back(step_seconds[step]);
  }
  result.steps = static_cast<int>(quiet.size());
  result.median = median_of(std::move(quiet));
  return result;
}

Json write_disturbance(const RunDisturbance& disturbance) {
  return {{"disturbed", disturbance.disturbed()},   {"share", disturbance.share()},
          {"steal_share", disturbance.steal_share}, {"ranks_per_core", disturbance.ranks_per_core},
          {"by_rank", disturbance.by_rank},         {"involuntary_switches", disturbance.involuntary_switches},
          {"by_step", disturbance.by_step}};
}

Json write_undisturbed(const RunDisturbance& disturbance, const UndisturbedSteps& undisturbed) {
  return {{"disturbed", disturbance.disturbed()},
          {"share", disturbance.share()},
          {"steal_share", disturbance.steal_share},
          {"sentence", sentence_of(disturbance)},
          {"steps", undisturbed.of},
          {"undisturbed_steps", undisturbed.steps},
          {"undisturbed_step_seconds", undisturbed.steps > 0 ? Json(undisturbed.median) : Json()}};
}

std::optional<MeasuredSteps> read_measured_steps(const Json& result, const std::string& file) {
  ObjectReader reader(result, file, "");
  if (!reader["disturbance"].present()) return std::nullopt;
  MeasuredSteps steps;
  steps.seconds = reader["all_step_seconds"].numbers(kNotNegative);
  steps.shown = reader["timeline_step"].integer({0, static_cast<int64_t>(steps.seconds.size()) - 1});
  ObjectReader keys = reader["disturbance"].object();
  RunDisturbance& disturbance = steps.disturbance;
  keys["disturbed"].boolean();  // these two follow from the others
  keys["share"].number(kShare);
  disturbance.steal_share = keys["steal_share"].number(kShare);
  disturbance.ranks_per_core = keys["ranks_per_core"].number(kNotNegative);
  disturbance.by_rank = keys["by_rank"].numbers(kShare);
  disturbance.involuntary_switches = keys["involuntary_switches"].integers(kSwitches);
  disturbance.by_step = keys["by_step"].numbers(kShare);
  keys.finish();
  if (!disturbance.by_step.empty() && disturbance.by_step.size() != steps.seconds.size())
    keys["by_step"].refuse("has " + std::to_string(disturbance.by_step.size()) + " shares",
                           "one for each of the " + std::to_string(steps.seconds.size()) + " steps");
  return steps;
}

}  // namespace moesaic
