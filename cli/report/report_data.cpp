#include "cli/report/report_data.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

#include "core/timeline/breakdown.h"
#include "core/timeline/tracks.h"

namespace moesaic {
namespace {

constexpr size_t kWorstTasks = 15;
constexpr size_t kMostCurves = 16;     // ranks whose memory is drawn
constexpr size_t kCurvePoints = 2000;  // of one curve: more than the page is wide, to have something left to zoom into

int64_t nanoseconds(Seconds seconds) { return std::llround(seconds * 1e9); }

Json phases_data(const Timeline& timeline) {
  Json phases = Json::array();
  int index = 0;
  for (const PhaseTime& phase : step_breakdown(timeline)) {
    phases.push_back({{"name", name_of(static_cast<Phase>(index++))},
                      {"compute", phase.compute},
                      {"communication", phase.exposed_communication},
                      {"transfer", phase.exposed_transfer},
                      {"bubble", phase.bubble},
                      {"idle", phase.idle}});
  }
  return phases;
}

/// Sums over the tasks of each operator.
Json operators_data(const Timeline& timeline) {
  std::map<std::string, std::pair<Seconds, int>> sums;
  const OfTasks<Seconds> means = mean_durations(timeline);
  for (size_t task = 0; task < means.size(); ++task) {
    if (means[task] < 0) continue;
    auto& [seconds, tasks] = sums[name_of(timeline.rows[task].op)];
    seconds += means[task];
    ++tasks;
  }
  Json operators = Json::object();
  for (const auto& [name, sum] : sums) operators[name] = {{"seconds", sum.first}, {"tasks", sum.second}};
  return operators;
}

/// The ranks with the highest peaks of either side, ascending.
std::set<int> ranks_with_curves(const ReportInput& input) {
  std::map<int, Bytes> peaks;
  for (const Timeline* side : {input.predicted, input.measured})
    for (const MemorySample& sample : side != nullptr ? side->memory : std::vector<MemorySample>())
      peaks[sample.rank] = std::max(peaks[sample.rank], sample.bytes);
  std::vector<std::pair<Bytes, int>> order;
  for (const auto& [rank, bytes] : peaks) order.emplace_back(-bytes, rank);
  std::sort(order.begin(), order.end());
  order.resize(std::min(order.size(), kMostCurves));
  std::set<int> ranks;
  for (const auto& [bytes, rank] : order) ranks.insert(rank);
  return ranks;
}

/// Points are [time ns, bytes] after one another.
Json curves_data(const Timeline& timeline, const std::set<int>& ranks) {
  Json curves = Json::array();
  for (const MemoryCurve& curve : memory_curves(timeline, kCurvePoints)) {
    if (ranks.count(curve.rank) == 0) continue;
    Json points = Json::array();
    for (size_t i = 0; i < curve.bytes.size(); ++i)
      points.insert(points.end(), {nanoseconds(curve.time_s[i]), curve.bytes[i]});
    curves.push_back({{"rank", curve.rank},
                      {"peak_bytes", curve.peak_bytes},
                      {"peak_time", nanoseconds(curve.peak_time_s)},
                      {"points", std::move(points)}});
  }
  return curves;
}

Json tiers_data(const ReportInput& input) {
  Json tiers = Json::array();
  for (const TierMemory& tier : input.tiers) {
    Json held = Json::array();
    for (const auto& [kind, bytes] : tier.held) held.push_back(Json::array({name_of_held(tier.tier, kind), bytes}));
    tiers.push_back({{"tier", name_of(tier.tier)},
                     {"ranks", tier.ranks},
                     {"capacity_bytes", tier.capacity_bytes},
                     {"held", std::move(held)}});
    const auto measured = input.measured_peaks.find(name_of(tier.tier));
    if (measured != input.measured_peaks.end()) tiers.back()["measured_peak_bytes"] = tier.ranks * measured->second;
  }
  return tiers;
}

/// A flat array of integers keeps 10^5 tasks small: [rank, task, track, start ns, duration ns] after one another.
Json timeline_data(const Timeline& timeline, const std::set<int>& ranks) {
  Json rows = Json::array(), times = Json::array();
  for (const TaskRow& row : timeline.rows) {
    rows.push_back(Json::array({row.label, name_of(row.op), name_of(row.lane), name_of(row.phase), row.layer}));
  }
  const std::vector<int> tracks = tracks_of(timeline);
  for (size_t i = 0; i < tracks.size(); ++i) {
    const TaskTime& time = timeline.times[i];
    times.insert(times.end(), {time.rank, time.task.value(), tracks[i], nanoseconds(time.start),
                               nanoseconds(time.end - time.start)});
  }
  return {{"step_seconds", timeline.step_seconds},
          {"num_ranks", timeline.num_ranks},
          {"num_stages", timeline.num_stages},
          {"num_steps", timeline.num_steps},
          {"span_seconds", span_of(timeline)},
          {"exposed_communication_seconds", exposed_communication(timeline)},
          {"bubble_seconds", pipeline_bubble(timeline)},
          {"exposed_transfer_seconds", exposed_transfer(timeline)},
          {"compute_seconds", compute_busy(timeline)},
          {"peak_bytes", peak_memory(timeline)},
          {"phases", phases_data(timeline)},
          {"operators", operators_data(timeline)},
          {"rows", std::move(rows)},
          {"times", std::move(times)},
          {"memory", curves_data(timeline, ranks)}};
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

/// null: nobody knows.
Json disturbance_data(const ReportInput& input) {
  if (input.comparison != nullptr && input.comparison->disturbance)
    return write_comparison(*input.comparison)["disturbance"];
  if (!input.steps) return Json();
  const RunDisturbance& run = input.steps->disturbance;
  return write_undisturbed(run, undisturbed_steps(input.steps->seconds, run.by_step));
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
  const std::set<int> ranks = ranks_with_curves(input);
  Json json = {{"title", input.title}, {"summary", Json::array()}, {"tiers", tiers_data(input)}};
  for (const auto& [name, value] : input.summary) json["summary"].push_back(Json::array({name, value}));
  json["predicted"] = input.predicted != nullptr ? timeline_data(*input.predicted, ranks) : Json();
  json["measured"] = input.measured != nullptr ? timeline_data(*input.measured, ranks) : Json();
  const auto device = input.measured_peaks.find(name_of(Tier::device));  // of all steps, not of the one that is drawn
  if (input.measured != nullptr && device != input.measured_peaks.end())
    json["measured"]["run_peak_bytes"] = device->second;
  json["comparison"] = input.comparison != nullptr ? comparison_data(*input.comparison) : Json();
  json["disturbance"] = disturbance_data(input);
  json["placement"] = placement_data(input);
  json["training"] = input.training ? training_data(*input.training, kCurvePoints) : Json();
  json["loads_recorded"] = input.loads_recorded;
  return json;
}

}  // namespace moesaic
