#pragma once
// The result document of an embedding study.

#include "experiments/laboratory/record.h"

namespace moesaic::experiments {

struct EmbeddingFigures {
  Bytes peak_bytes = 0;
  Seconds step_seconds = 0;
  double tokens_per_second = 0;

  static void members(auto& self, auto visit) {
    visit("peak_bytes", self.peak_bytes);
    visit("step_seconds", self.step_seconds);
    visit("tokens_per_second", self.tokens_per_second);
  }
};

/// What the partition changes, as fractions of the replicated table's figures.
struct EmbeddingChange {
  int64_t hidden = 0;
  int ranks = 0;
  double memory_change = 0, speed_change = 0;

  static void members(auto& self, auto visit) {
    visit("hidden", self.hidden);
    visit("ranks", self.ranks);
    visit("memory_change", self.memory_change);
    visit("speed_change", self.speed_change);
  }
};

struct EmbeddingComparison {
  int64_t hidden = 0;
  int ranks = 0;
  EmbeddingFigures replicated, partitioned;
  double memory_change = 0, speed_change = 0;

  static void members(auto& self, auto visit) {
    visit("hidden", self.hidden);
    visit("ranks", self.ranks);
    visit("replicated", self.replicated);
    visit("partitioned", self.partitioned);
    visit("memory_change", self.memory_change);
    visit("speed_change", self.speed_change);
  }
};

struct EmbeddingRounds {
  std::vector<double> replicated_s, partitioned_s;  // [rounds]

  static void members(auto& self, auto visit) {
    visit("replicated_s", self.replicated_s);
    visit("partitioned_s", self.partitioned_s);
  }
};

struct ExecutedComparison {
  EmbeddingComparison measured, predicted;
  EmbeddingRounds rounds;

  static void members(auto& self, auto visit) {
    EmbeddingComparison::members(self.measured, visit);
    visit("predicted", self.predicted);
    visit("rounds", self.rounds);
  }
};

struct EmbeddingSummary {
  std::vector<EmbeddingChange> simulated, executed;

  static void members(auto& self, auto visit) {
    visit("simulated", self.simulated);
    visit("executed", self.executed);
  }
};

/// What is known of the paper's experiment, as text: its origin says how well.
struct PublishedFigure {
  int64_t hidden = 0;
  std::string memory, speed, origin;

  static void members(auto& self, auto visit) {
    visit("hidden", self.hidden);
    visit("memory", self.memory);
    visit("speed", self.speed);
    visit("origin", self.origin);
  }
};

struct EmbeddingResult {
  static constexpr const char* kKind = "result";
  std::string experiment, simulated_on;
  int64_t simulated_sequence_length = 0, executed_sequence_length = 0;
  EmbeddingSummary summary;
  std::vector<EmbeddingComparison> simulated;
  std::vector<ExecutedComparison> executed;
  std::vector<PublishedFigure> published;

  static void members(auto& self, auto visit) {
    visit("experiment", self.experiment);
    visit("simulated_on", self.simulated_on);
    visit("simulated_sequence_length", self.simulated_sequence_length);
    visit("executed_sequence_length", self.executed_sequence_length);
    visit("summary", self.summary);
    visit("simulated", self.simulated);
    visit("executed", self.executed);
    visit("published", self.published);
  }
};

}  // namespace moesaic::experiments
