// The result of an expert cache study as Markdown.
#include "core/schema/formatted.h"
#include "experiments/03_which_experts_stay_in_host_memory/study.h"
#include "experiments/figures/table.h"

namespace moesaic::experiments {
namespace {

double in_percent(double share) { return 100 * share; }

std::string trace_table(const std::vector<TraceCurves>& traces) {
  std::string table = table_head({"trace", "entries", "requests", "active experts", "prediction: precision", "recall"});
  for (const TraceCurves& trace : traces)
    table += formatted("| %s | %ld | %ld | %.0f %% | %.0f %% | %.0f %% |\n", trace.name.c_str(), trace.entries,
                       trace.requests, in_percent(trace.active_share), in_percent(trace.prediction_precision),
                       in_percent(trace.prediction_recall));
  return table;
}

std::string curve_table(const ExpertCacheResult& result) {
  std::vector<std::string> columns = {"trace", "policy"};
  for (const int64_t capacity : result.capacity_percents) columns.push_back(formatted("%ld %%", capacity));
  std::string table = table_head(columns);
  constexpr std::pair<const char*, const char*> kPolicies[] = {{"algorithm_2", "Algorithm 2"},
                                                               {"algorithm_2_without_decay", "without decay"},
                                                               {"lru", "LRU"},
                                                               {"lfu", "LFU"},
                                                               {"min", "MIN"}};
  for (const TraceCurves& trace : result.traces)
    for (const auto& [key, name] : kPolicies) {
      table += formatted("| %s | %s |", trace.name.c_str(), name);
      for (const double rate : trace.hit_rate.at(key)) table += formatted(" %.1f |", in_percent(rate));
      table += "\n";
    }
  return table;
}

std::string summary_table(const CacheSummary& summary) {
  std::string table = table_head({"traces", "difference in hit rate", "mean", "least", "most"});
  for (const auto& [group, differences] : summary.differences)
    for (const auto& [difference, spread] : differences)
      table += formatted("| %s | %s | %+.1f | %+.1f | %+.1f |\n", group.c_str(), difference.c_str(),
                         in_percent(spread.mean), in_percent(spread.least), in_percent(spread.most));
  return table;
}

/// One row per value of the one constant, one column per value of the other; the settings lie row by row.
std::string grid_table(const std::vector<CacheSetting>& settings, double CacheConstants::*row,
                       double CacheConstants::*column, const std::string& corner) {
  std::vector<std::string> columns = {corner};
  for (const CacheSetting& setting : settings)
    if (setting.constants.*row == settings[0].constants.*row)
      columns.push_back(number("%g", setting.constants.*column));
  std::string table = table_head(columns);
  const size_t values = columns.size() - 1;
  for (size_t i = 0; i < settings.size(); ++i) {
    if (i % values == 0) table += formatted("| %g |", settings[i].constants.*row);
    table +=
        formatted(" %.1f (%+.1f) |", in_percent(settings[i].mean_hit_rate), in_percent(settings[i].worst_against_lru));
    if (i % values + 1 == values) table += "\n";
  }
  return table;
}

std::string write_table(const std::vector<CacheWrites>& writes) {
  std::string table = table_head({"capacity", "flush period", "writes per iteration"});
  for (const CacheWrites& row : writes)
    table += formatted("| %ld %% | %ld | %.0f |\n", row.capacity_percent, row.flush_period, row.writes_per_iteration);
  return table;
}

}  // namespace

std::string expert_cache_tables(const ExpertCacheResult& result) {
  const CacheSensitivity& sensitivity = result.sensitivity;
  return "Algorithm 2 against its rivals, in percentage points of hit rate:\n\n" + summary_table(result.summary) +
         "\nThe traces:\n\n" + trace_table(result.traces) +
         "\nHit rate in % against the capacity in % of all entries:\n\n" + curve_table(result) +
         "\nThreshold (rows) and beta (columns): mean hit rate in %, in brackets the worst difference to LRU:\n\n" +
         grid_table(sensitivity.threshold_by_decay, &CacheConstants::threshold, &CacheConstants::decay, "threshold") +
         "\nBeta (rows) and K in iterations (columns), the same figures:\n\n" +
         grid_table(sensitivity.decay_by_period, &CacheConstants::decay, &CacheConstants::period_iterations, "beta") +
         "\nWrites to storage on the first trace (flush period in steps; 0: only at the end):\n\n" +
         write_table(sensitivity.writes);
}

}  // namespace moesaic::experiments
