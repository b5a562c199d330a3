#pragma once
// The result document of an expert cache study. Rates have four digits: a hundredth of a percent.

#include "experiments/laboratory/record.h"

namespace moesaic::experiments {

struct CacheConstants {
  double threshold = 0, decay = 0, period_iterations = 0;

  static void members(auto& self, auto visit) {
    visit("threshold", self.threshold);
    visit("decay", self.decay);
    visit("period_iterations", self.period_iterations);
  }
};

/// One setting of the constants over all traces and capacities of the sensitivity.
struct CacheSetting {
  CacheConstants constants;
  double mean_hit_rate = 0, worst_against_lru = 0;

  static void members(auto& self, auto visit) {
    CacheConstants::members(self.constants, visit);
    visit("mean_hit_rate", self.mean_hit_rate);
    visit("worst_against_lru", self.worst_against_lru);
  }
};

/// Of differences in hit rate.
struct RateSpread {
  double mean = 0, least = 0, most = 0;

  static void members(auto& self, auto visit) {
    visit("mean", self.mean);
    visit("least", self.least);
    visit("most", self.most);
  }
};

struct CacheSummary {
  std::optional<CacheSetting> best_setting;
  std::map<std::string, std::map<std::string, RateSpread>> differences;  // [group of traces, difference]

  static void members(auto& self, auto visit) {
    visit("best_setting", self.best_setting);
    visit("differences", self.differences);
  }
};

struct TraceCurves {
  std::string name;
  int64_t entries = 0, requests = 0;
  double active_share = 0, prediction_precision = 0, prediction_recall = 0;
  std::map<std::string, std::vector<double>> hit_rate;  // [policy, capacity_percents]

  static void members(auto& self, auto visit) {
    visit("name", self.name);
    visit("entries", self.entries);
    visit("requests", self.requests);
    visit("active_share", self.active_share);
    visit("prediction_precision", self.prediction_precision);
    visit("prediction_recall", self.prediction_recall);
    visit("hit_rate", self.hit_rate);
  }
};

struct CacheWrites {
  int64_t capacity_percent = 0, flush_period = 0;
  double writes_per_iteration = 0;

  static void members(auto& self, auto visit) {
    visit("capacity_percent", self.capacity_percent);
    visit("flush_period", self.flush_period);
    visit("writes_per_iteration", self.writes_per_iteration);
  }
};

struct CacheSensitivity {
  std::vector<int64_t> capacity_percents;
  std::vector<CacheSetting> threshold_by_decay, decay_by_period;  // row by row of the first of the two
  std::vector<CacheWrites> writes;

  static void members(auto& self, auto visit) {
    visit("capacity_percents", self.capacity_percents);
    visit("threshold_by_decay", self.threshold_by_decay);
    visit("decay_by_period", self.decay_by_period);
    visit("writes", self.writes);
  }
};

struct ExpertCacheResult {
  static constexpr const char* kKind = "result";
  std::string experiment;
  std::string basis = "replayed request traces from generated and recorded routing; nothing is timed";
  uint64_t seed = 0;
  CacheConstants algorithm_2;
  CacheSummary summary;
  std::vector<int64_t> capacity_percents;
  std::vector<TraceCurves> traces;
  CacheSensitivity sensitivity;

  static void members(auto& self, auto visit) {
    visit("experiment", self.experiment);
    visit("basis", self.basis);
    visit("seed", self.seed);
    visit("algorithm_2", self.algorithm_2);
    visit("summary", self.summary);
    visit("capacity_percents", self.capacity_percents);
    visit("traces", self.traces);
    visit("sensitivity", self.sensitivity);
  }
};

}  // namespace moesaic::experiments
