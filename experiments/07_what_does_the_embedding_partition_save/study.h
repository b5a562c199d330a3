#pragma once
// What does the embedding partition save? The same step with a replicated and with a partitioned table: simulated on a
// cluster of the paper, executed at a scale that fits this machine. It neither simulates nor executes anything itself.

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "core/evaluate/evaluator.h"
#include "core/schema/documents.h"

namespace moesaic::experiments {

/// What is known of the paper's experiment, as text: its origin says how well.
struct PublishedFigure {
  int64_t hidden = 0;
  std::string memory, speed, origin;
};

/// The axes of an experiment.json.
struct EmbeddingStudy {
  std::string name, question;
  std::vector<std::string> models;       // simulated
  std::string cluster;                   // where
  std::vector<int> ranks;                // on how many of its devices, one sequence each
  int64_t sequence_length = 0;           // simulated
  std::string machine;                   // cluster document of this machine
  std::vector<int64_t> executed_hidden;  // the first model, made as narrow as this
  int executed_ranks = 2;
  int64_t executed_sequence_length = 0;
  int rounds = 3;
  int64_t steps = 6;
  std::vector<PublishedFigure> published;
};
EmbeddingStudy read_embedding_study(const Json& json, const std::string& file);

/// One execution: median step, peak memory of the largest rank.
struct EmbeddingRun {
  Seconds step_seconds = 0;
  Bytes peak_bytes = 0;
};

struct EmbeddingHooks {
  Evaluator* evaluator = nullptr;
  std::function<Model(const std::string&)> model;
  std::function<Cluster(const std::string&)> cluster;
  std::function<Profile(const Cluster&)> profile;
  std::function<EmbeddingRun(const Plan&, int64_t steps)> execute;
  std::function<void(int done, int total)> progress = [](int, int) {};
};

/// Runs the study and returns its result document.
Json run_embedding_study(const EmbeddingStudy& study, const EmbeddingHooks& hooks);

/// The result as tables of Markdown, for the experiment's README.
std::string embedding_tables(const Json& result);

}  // namespace moesaic::experiments
