#pragma once
// What a result document of `moesaic execute` says of the run, read strictly: for whoever compares, draws or checks it.

#include <map>
#include <optional>
#include <string>

#include "core/schema/documents.h"
#include "core/timeline/disturbance.h"
#include "core/timeline/timeline.h"

namespace moesaic::cli {

struct MeasuredRun {
  Timeline timeline;
  RoutingDocument routing;
  int64_t timeline_step = 0;           // of the recorded routing
  std::map<std::string, Bytes> peaks;  // by tier
  std::string processors;              // "" where nobody knows
  std::optional<MeasuredSteps> steps;  // nothing where an older executor has not measured what disturbed them
};

/// InputError for the result of something else, such as an experiment.
MeasuredRun read_measured_run(const Json& result, const std::string& file);

}  // namespace moesaic::cli
