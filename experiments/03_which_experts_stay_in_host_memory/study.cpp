#include "experiments/03_which_experts_stay_in_host_memory/study.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "core/schema/error.h"
#include "experiments/03_which_experts_stay_in_host_memory/replay.h"

namespace moesaic::experiments {
namespace {

constexpr const char* kRivals[] = {"lru", "lfu", "algorithm_2_without_decay"};

/// Four digits: a hundredth of a percent.
double rounded(double value) { return std::round(value * 1e4) / 1e4; }

/// Differences in hit rate: mean, least and most.
class Spread {
 public:
  void add(double value) { values_.push_back(value); }
  double mean() const {
    double sum = 0;
    for (const double value : values_) sum += value;
    return values_.empty() ? 0 : sum / static_cast<double>(values_.size());
  }
  double least() const { return values_.empty() ? 0 : *std::min_element(values_.begin(), values_.end()); }
  double most() const { return values_.empty() ? 0 : *std::max_element(values_.begin(), values_.end()); }
  RateSpread rounded_figures() const { return {rounded(mean()), rounded(least()), rounded(most())}; }

 private:
  std::vector<double> values_;
};

class ExpertCacheRun {
 public:
  ExpertCacheRun(const ExpertCacheAxes& axes, const Laboratory& laboratory) : axes_(axes), laboratory_(laboratory) {
    const size_t grid = axes.thresholds.size() * axes.decays.size() + axes.decays.size() * axes.periods.size();
    total_ = static_cast<int>(axes.traces.size() * axes.capacity_percents.size() + grid);
  }

  ExpertCacheResult result() {
    ExpertCacheResult result;
    result.experiment = axes_.name;
    result.seed = axes_.seed;
    result.algorithm_2 = {defaults_.threshold, defaults_.decay, kDecayPeriodIterations};
    result.capacity_percents = axes_.capacity_percents;
    for (const TraceSpec& spec : axes_.traces) result.traces.push_back(curves(spec, make_trace(spec, axes_.seed)));
    result.sensitivity = vary_constants();
    result.summary = summary(result.sensitivity);
    return result;
  }

 private:
  RequestTrace make_trace(const TraceSpec& spec, uint64_t seed) const {
    const RoutingDocument recording = spec.recording.empty() ? RoutingDocument{} : laboratory_.routing(spec.recording);
    return request_trace(spec, row_counts(spec, recording, seed));
  }

  ExpertCacheSettings default_settings(const RequestTrace& trace, int64_t percent) const {
    return settings_for(trace, percent, defaults_.threshold, defaults_.decay, kDecayPeriodIterations);
  }

  /// The hit rate of every policy against capacity.
  TraceCurves curves(const TraceSpec& spec, const RequestTrace& trace) {
    std::map<std::string, std::vector<double>> rates;  // [capacity_percents]
    for (const int64_t percent : axes_.capacity_percents) {
      const int64_t capacity = capacity_of(trace, percent);
      const HitCount lru = count_hits(*make_lru(capacity), trace), lfu = count_hits(*make_lfu(capacity), trace),
                     ours = count_hits(*make_algorithm_2(default_settings(trace, percent)), trace),
                     no_decay =
                         count_hits(*make_algorithm_2({.capacity = capacity, .threshold = 0, .decay = 1}), trace),
                     best = count_hits(*make_min(capacity, trace.ids), trace);
      MOESAIC_CHECK(best.all >= std::max({lru.all, lfu.all, ours.all, no_decay.all}),
                    "no policy has more hits than MIN");
      rates["lru"].push_back(rounded(lru.rate));
      rates["lfu"].push_back(rounded(lfu.rate));
      rates["algorithm_2"].push_back(rounded(ours.rate));
      rates["algorithm_2_without_decay"].push_back(rounded(no_decay.rate));
      rates["min"].push_back(rounded(best.rate));
      if (percent < 100) compare(spec, percent, rates);
      laboratory_.progress(++done_, total_, "replays");
    }
    return {spec.name,
            trace.entries,
            static_cast<int64_t>(trace.ids.size()),
            rounded(trace.active_share),
            rounded(trace.precision),
            rounded(trace.recall),
            rates};
  }

  void compare(const TraceSpec& spec, int64_t percent, const std::map<std::string, std::vector<double>>& rates) {
    const std::string group = spec.group + (percent < 50 ? ", capacity below 50 %" : ", capacity from 50 %");
    const double ours = rates.at("algorithm_2").back();
    for (const char* rival : kRivals) {
      spreads_[group][std::string("algorithm_2_minus_") + rival].add(ours - rates.at(rival).back());
    }
    spreads_[group]["min_minus_algorithm_2"].add(rates.at("min").back() - ours);
  }

  CacheSummary summary(const CacheSensitivity& sensitivity) const {
    const std::vector<CacheSetting>& settings = sensitivity.decay_by_period;
    const auto best = std::max_element(
        settings.begin(), settings.end(),
        [](const CacheSetting& a, const CacheSetting& b) { return a.mean_hit_rate < b.mean_hit_rate; });
    CacheSummary made;
    if (best != settings.end()) made.best_setting = *best;
    for (const auto& [group, spreads] : spreads_)
      for (const auto& [difference, spread] : spreads) made.differences[group][difference] = spread.rounded_figures();
    return made;
  }

  /// Training on other draws than those of the curves; recordings have no draws and are left out.
  CacheSensitivity vary_constants() {
    std::vector<RequestTrace> traces;
    for (const TraceSpec& spec : axes_.traces)
      if (spec.recording.empty() && spec.backward) traces.push_back(make_trace(spec, axes_.seed + kOtherDraws));
    lru_.clear();
    for (const RequestTrace& trace : traces)
      for (const int64_t percent : axes_.sensitivity_percents)
        lru_.push_back(count_hits(*make_lru(capacity_of(trace, percent)), trace).rate);
    CacheSensitivity made{axes_.sensitivity_percents, {}, {}, writes(traces)};
    for (const double threshold : axes_.thresholds)
      for (const double decay : axes_.decays)
        made.threshold_by_decay.push_back(one_setting(traces, threshold, decay, kDecayPeriodIterations));
    for (const double decay : axes_.decays)
      for (const double period : axes_.periods)
        made.decay_by_period.push_back(one_setting(traces, defaults_.threshold, decay, period));
    return made;
  }

  /// Mean hit rate over traces and capacities, and the worst that it does against LRU.
  CacheSetting one_setting(const std::vector<RequestTrace>& traces, double threshold, double decay, double period) {
    Spread rates, against_lru;
    size_t cell = 0;
    for (const RequestTrace& trace : traces)
      for (const int64_t percent : axes_.sensitivity_percents) {
        const auto policy = make_algorithm_2(settings_for(trace, percent, threshold, decay, period));
        const double rate = count_hits(*policy, trace).rate;
        rates.add(rate);
        against_lru.add(rate - lru_[cell++]);
      }
    laboratory_.progress(++done_, total_, "replays");
    return {{threshold, decay, period}, rounded(rates.mean()), rounded(against_lru.least())};
  }

  /// Storage writes of the first trace by flush period, at the first capacity of the sensitivity.
  std::vector<CacheWrites> writes(const std::vector<RequestTrace>& traces) const {
    std::vector<CacheWrites> rows;
    if (traces.empty() || axes_.sensitivity_percents.empty()) return rows;
    for (const int64_t percent : axes_.sensitivity_percents)
      for (const int64_t flush_period : axes_.flush_periods) {
        ExpertCacheSettings settings = default_settings(traces[0], percent);
        settings.flush_period = flush_period;
        rows.push_back({percent, flush_period, rounded(writes_per_iteration(settings, traces[0]))});
      }
    return rows;
  }

  static constexpr uint64_t kOtherDraws = 1'000'000;  // beyond the seeds that a drifting trace passes through
  const ExpertCacheAxes& axes_;
  const Laboratory& laboratory_;
  const ExpertCacheSettings defaults_;
  std::map<std::string, std::map<std::string, Spread>> spreads_;
  std::vector<double> lru_;  // [traces * sensitivity_percents]
  int done_ = 0, total_ = 0;
};

}  // namespace

ExpertCacheResult run_expert_cache_study(const ExpertCacheAxes& axes, const Laboratory& laboratory) {
  return ExpertCacheRun(axes, laboratory).result();
}

const Study kExpertCacheStudy =
    typed_study<read_expert_cache_axes, run_expert_cache_study, expert_cache_tables>("expert_cache");

}  // namespace moesaic::experiments
