#include "cli/report/report_data.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "core/timeline/breakdown.h"
#include "core/timeline/tracks.h"

namespace moesaic {
namespace {

constexpr size_t kWorstTasks = 15;

int64_t nanoseconds(Seconds seconds) { return std::llround(seconds * 1e9); }

Json phases_data(const Timeline& timeline) {
  Json phases = Json::array();
  int index = 0;
  for (const PhaseTime& phase : step_breakdown(timeline)) {
    phases.push_back({{"name", name_of(static_cast<Phase>(index++))},
                      {"compute", phase.compute},
                      {"communication", phase.exposed_communication},
                      {"transfer", phase.exposed_transfer},
                      {"idle", phase.idle}});
  }
  return phases;
}

/// Flat arrays of integers keep 10^5 tasks small: [rank, task, track, start ns, duration ns] after one another, and
/// [rank, time ns, bytes].
Json timeline_data(const Timeline& timeline) {
  Json rows = Json::array(), times = Json::array(), memory = Json::array();
  for (const TaskRow& row : timeline.rows) {
    rows.push_back(Json::array({row.label, name_of(row.op), name_of(row.lane), name_of(row.phase), row.layer}));
  }
  const std::vector<int> tracks = tracks_of(timeline);
  for (size_t i = 0; i < tracks.size(); ++i) {
    const TaskTime& time = timeline.times[i];
    times.insert(times.end(),
                 {time.rank, time.task, tracks[i], nanoseconds(time.start), nanoseconds(time.end - time.start)});
  }
  for (const MemorySample& sample : timeline.memory) {
    memory.insert(memory.end(), {sample.rank, nanoseconds(sample.time), sample.bytes});
  }
  return {{"step_seconds", timeline.step_seconds},
          {"num_ranks", timeline.num_ranks},
          {"num_steps", timeline.num_steps},
          {"span_seconds", span_of(timeline)},
          {"exposed_communication_seconds", exposed_communication(timeline)},
          {"compute_seconds", compute_busy(timeline)},
          {"peak_bytes", peak_memory(timeline)},
          {"phases", phases_data(timeline)},
          {"rows", std::move(rows)},
          {"times", std::move(times)},
          {"memory", std::move(memory)}};
}

/// The comparison without the full task list: the page shows the worst and draws the rest.
Json comparison_data(const Comparison& comparison) {
  Json json = write_comparison(comparison);
  Comparison worst = comparison;
  worst.tasks = worst_tasks(comparison, kWorstTasks);
  json["total_tasks"] = comparison.tasks.size();
  json["tasks"] = write_comparison(worst)["tasks"];
  return json;
}

Json placement_data(const ReportInput& input) {
  Json layers = Json::array();
  for (size_t layer = 0; layer < input.placement.size(); ++layer) {
    const ExpertPlacement& placement = input.placement[layer];
    const std::vector<double> unknown;
    const std::vector<double>& loads = layer < input.expert_loads.size() ? input.expert_loads[layer] : unknown;
    layers.push_back({{"slots_per_rank", placement.slots_per_rank},
                      {"slot_to_expert", placement.slot_to_expert},
                      {"relative_load", relative_rank_loads(placement, loads)}});
  }
  return layers;
}

}  // namespace

std::vector<double> relative_rank_loads(const ExpertPlacement& placement, const std::vector<double>& expert_loads) {
  std::vector<int> replicas(expert_loads.size(), 0);
  for (const int expert : placement.slot_to_expert) {
    if (expert < 0 || static_cast<size_t>(expert) >= expert_loads.size()) return {};
    ++replicas[expert];
  }
  if (placement.slots_per_rank <= 0 || expert_loads.empty()) return {};
  std::vector<double> ranks(placement.slot_to_expert.size() / placement.slots_per_rank, 0);
  for (size_t slot = 0; slot < ranks.size() * placement.slots_per_rank; ++slot) {
    const int expert = placement.slot_to_expert[slot];
    ranks[slot / placement.slots_per_rank] += expert_loads[expert] / replicas[expert];
  }
  const double mean = std::accumulate(ranks.begin(), ranks.end(), 0.0) / static_cast<double>(ranks.size());
  for (double& rank : ranks) rank = mean > 0 ? rank / mean : 1;
  return ranks;
}

Json report_data(const ReportInput& input) {
  Json json = {{"title", input.title}, {"summary", Json::array()}, {"memory_limit_bytes", input.memory_limit_bytes}};
  for (const auto& [name, value] : input.summary) json["summary"].push_back(Json::array({name, value}));
  json["predicted"] = input.predicted != nullptr ? timeline_data(*input.predicted) : Json();
  json["measured"] = input.measured != nullptr ? timeline_data(*input.measured) : Json();
  json["comparison"] = input.comparison != nullptr ? comparison_data(*input.comparison) : Json();
  json["placement"] = placement_data(input);
  return json;
}

}  // namespace moesaic
