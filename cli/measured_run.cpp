#include "cli/measured_run.h"

#include <nlohmann/json.hpp>

#include "cli/results.h"
#include "core/schema/error.h"
#include "core/schema/object_reader.h"

namespace moesaic::cli {

MeasuredRun read_measured_run(const Json& result, const std::string& file) {
  ObjectReader reader(result, file, "");
  for (const char* key : {"timeline", "routing", "timeline_step"})
    if (!reader[key].present())
      throw InputError(file, "", "is a result without a timeline", "what `moesaic execute -o` wrote");
  MeasuredRun run;
  run.timeline = read_timeline(result["timeline"], file, "/timeline");
  run.routing = read_routing(result["routing"], file, "/routing");
  run.timeline_step = reader["timeline_step"].integer({0, kCount.most});
  if (const Field peaks = reader["peak_bytes"]; peaks.present()) {
    ObjectReader tiers = peaks.object();
    for (const auto& [tier, bytes] : tiers.json().items()) run.peaks[tier] = tiers[tier].bytes(kBytesRange);
  }
  run.processors = processors_of(result, file);
  run.steps = read_measured_steps(result, file);
  return run;
}

}  // namespace moesaic::cli
