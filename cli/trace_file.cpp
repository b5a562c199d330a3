#include "cli/trace_file.h"

#include <stdexcept>

#include "cli/options/rank_list.h"
#include "core/format/chrome_trace.h"
#include "core/schema/error.h"
#include "core/technique/lower.h"

namespace moesaic::cli {

void add_trace_options(CLI::App& verb, TraceOptions& options, const std::string& help) {
  CLI::Option* trace = verb.add_option("--trace", options.file, help);
  verb.add_option("--trace-ranks", options.ranks, "ranks that the trace shows, such as 0,3,8-15; default: all")
      ->needs(trace);
}

std::vector<int> traced_ranks(const TraceOptions& options, const Plan& plan) {
  if (options.ranks.empty()) return {};
  try {
    return parse_ranks(options.ranks, plan.layout.ranks);
  } catch (const std::invalid_argument& error) {
    throw InputError("--trace-ranks", "", error.what());
  }
}

void write_trace(const TraceOptions& options, const Timeline& timeline, const Plan& plan, int64_t step) {
  if (options.file.empty()) return;
  const TaskGraph graph = lower(plan);
  const TracedStep traced{timeline, graph, plan, step, traced_ranks(options, plan)};
  write_file_in_parts(options.file, [&](const TextSink& out) { write_chrome_trace(traced, out); });
}

}  // namespace moesaic::cli
