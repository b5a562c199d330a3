#pragma once
// The result document of an exchange study.

#include "experiments/laboratory/record.h"

namespace moesaic::experiments {

/// A figure of both algorithms.
template <typename T>
struct OfBoth {
  T flat{}, hierarchical{};

  static void members(auto& self, auto visit) {
    visit("flat", self.flat);
    visit("hierarchical", self.hierarchical);
  }
};

struct MeasuredExchange {
  Seconds median_s = 0, quartile_1_s = 0, quartile_3_s = 0;
  int64_t inter_node_messages = 0, inter_node_bytes = 0;

  static void members(auto& self, auto visit) {
    visit("median_s", self.median_s);
    visit("quartile_1_s", self.quartile_1_s);
    visit("quartile_3_s", self.quartile_3_s);
    visit("inter_node_messages", self.inter_node_messages);
    visit("inter_node_bytes", self.inter_node_bytes);
  }
};

/// Of the links as they are, and as if only latency and bytes cost time.
struct PredictedExchange {
  Seconds simulated_s = 0, without_messages_s = 0;

  static void members(auto& self, auto visit) {
    visit("simulated_s", self.simulated_s);
    visit("without_messages_s", self.without_messages_s);
  }
};

/// "flat", "hierarchical" or "equal", by what was measured and by both predictions.
struct ExchangeWinners {
  std::string measured, simulated, without_messages;

  static void members(auto& self, auto visit) {
    visit("measured", self.measured);
    visit("simulated", self.simulated);
    visit("without_messages", self.without_messages);
  }
};

struct ExchangeRow {
  std::string links;
  int nodes = 0, devices_per_node = 0;
  Bytes pair_bytes = 0;
  OfBoth<MeasuredExchange> measured;
  OfBoth<PredictedExchange> predicted;
  ExchangeWinners winner;

  static void members(auto& self, auto visit) {
    visit("links", self.links);
    visit("nodes", self.nodes);
    visit("devices_per_node", self.devices_per_node);
    visit("pair_bytes", self.pair_bytes);
    visit("measured", self.measured);
    visit("predicted", self.predicted);
    visit("winner", self.winner);
  }
};

/// Who won how often, and how often the predictions name the measured winner; nothing where nothing was measured.
struct LinksSummary {
  std::string links;
  int cases = 0, hierarchical_wins = 0, flat_wins = 0, simulated_agrees = 0;
  double simulated_median_error = 0;
  int without_messages_agrees = 0;

  static void members(auto& self, auto visit) {
    visit("links", self.links);
    visit("cases", self.cases);
    if (self.cases == 0) return;
    visit("hierarchical_wins", self.hierarchical_wins);
    visit("flat_wins", self.flat_wins);
    visit("simulated_agrees", self.simulated_agrees);
    visit("simulated_median_error", self.simulated_median_error);
    visit("without_messages_agrees", self.without_messages_agrees);
  }
};

struct ExchangeResult {
  static constexpr const char* kKind = "result";
  std::string experiment;
  int rounds = 0, repetitions = 0;
  std::vector<LinksSummary> summary;
  std::vector<ExchangeRow> rows;

  static void members(auto& self, auto visit) {
    visit("experiment", self.experiment);
    visit("rounds", self.rounds);
    visit("repetitions", self.repetitions);
    visit("summary", self.summary);
    visit("rows", self.rows);
  }
};

}  // namespace moesaic::experiments
