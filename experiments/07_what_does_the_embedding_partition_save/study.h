#pragma once
// What does the embedding partition save? The same step with a replicated and with a partitioned table: simulated on a
// cluster of the paper, executed at a scale that fits this machine.

#include "experiments/07_what_does_the_embedding_partition_save/result.h"
#include "experiments/laboratory/study.h"

namespace moesaic::experiments {

struct EmbeddingAxes {
  std::string name;
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
EmbeddingAxes read_embedding_axes(const Json& json, const std::string& file);

EmbeddingResult run_embedding_study(const EmbeddingAxes& axes, const Laboratory& laboratory);
std::string embedding_tables(const EmbeddingResult& result);

extern const Study kEmbeddingStudy;

}  // namespace moesaic::experiments
