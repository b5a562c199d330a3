#pragma once
// A document of experiments/systems/: what a published system is said to reach, figure by figure with its provenance.
// What the suite makes of the system is its preset.

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "core/schema/object_reader.h"

namespace moesaic::experiments {

/// Of training one model.
struct PublishedTraining {
  std::string model;
  double tokens_per_second = 0;
  Bytes memory_bytes = 0;  // of a device
  std::string provenance;  // "secondary": from a summary of the paper; "recalled": unverified
};

struct PublishedSystem {
  std::string file;  // for refusals
  std::string name, preset;
  std::string baseline;  // the system that its paper compares it with, by tokens per second; "" for a baseline
  std::vector<PublishedTraining> training;

  /// InputError where nothing is known of this model.
  const PublishedTraining& training_of(const std::string& model) const;
};

PublishedSystem read_published_system(const Json& json, const std::string& file);

}  // namespace moesaic::experiments
