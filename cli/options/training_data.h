#pragma once
// What a run trains on and validates with, as options of both programs: `moesaic` passes them on to `moesaic-executor`
// as they are. It opens no file.

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace moesaic::cli {

struct TrainingData {
  std::vector<std::string> files;  // empty: the licence texts of a Debian system
  std::vector<double> weights;     // of the files; empty: by their sizes
  std::string tokens = "bytes";    // "uint16", "uint32"
  std::vector<std::string> validation_files;
  double validation_share = 0;  // of each file
  int64_t validation_every = 10, validation_batches = 4;

  bool validates() const { return !validation_files.empty() || validation_share > 0; }
};

void add_training_data(CLI::App& verb, TrainingData& data);
/// InputError for options that need others. To be called once they are parsed.
void check_training_data(const CLI::App& verb, const TrainingData& data);
/// The options that give these data.
std::vector<std::string> arguments_of(const TrainingData& data);

}  // namespace moesaic::cli
