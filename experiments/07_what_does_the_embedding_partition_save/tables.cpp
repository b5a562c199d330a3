// The result of an embedding study as Markdown.
#include "experiments/07_what_does_the_embedding_partition_save/study.h"
#include "experiments/figures/table.h"

namespace moesaic::experiments {
namespace {

std::string gigabytes(const EmbeddingFigures& side) {
  return number("%.2f", static_cast<double>(side.peak_bytes) / 1e9);
}
std::string speed(const EmbeddingFigures& side) { return number("%.0f", side.tokens_per_second); }
std::string row_of(const EmbeddingComparison& row, const std::string& other_memory, const std::string& other_speed) {
  return table_row({std::to_string(row.hidden), std::to_string(row.ranks), gigabytes(row.replicated),
                    gigabytes(row.partitioned), signed_percent(row.memory_change), speed(row.replicated),
                    speed(row.partitioned), signed_percent(row.speed_change), other_memory, other_speed});
}

std::string head(const std::string& devices, const std::string& other) {
  return table_head({"hidden", devices, "memory replicated, GB", "partitioned", "change", "tokens/s replicated",
                     "partitioned", "change", other + ", memory", other + ", speed"});
}

/// "-45.4 % [secondary]; -26.3 % [recalled]"
std::string published(const std::vector<PublishedFigure>& figures, int64_t hidden, std::string PublishedFigure::*what) {
  std::string text;
  for (const PublishedFigure& figure : figures)
    if (figure.hidden == hidden) text += (text.empty() ? "" : "; ") + figure.*what + " [" + figure.origin + "]";
  return text;
}

}  // namespace

std::string embedding_tables(const EmbeddingResult& result) {
  std::string text = "Simulated on " + result.simulated_on + ", a sequence of " +
                     std::to_string(result.simulated_sequence_length) + " tokens per GPU:\n\n" + head("GPUs", "paper");
  for (const EmbeddingComparison& row : result.simulated)
    text += row_of(row, published(result.published, row.hidden, &PublishedFigure::memory),
                   published(result.published, row.hidden, &PublishedFigure::speed));
  text += "\nExecuted on this machine, a sequence of " + std::to_string(result.executed_sequence_length) +
          " tokens per rank:\n\n" + head("ranks", "simulated");
  for (const ExecutedComparison& row : result.executed)
    text +=
        row_of(row.measured, signed_percent(row.predicted.memory_change), signed_percent(row.predicted.speed_change));
  return text;
}

}  // namespace moesaic::experiments
