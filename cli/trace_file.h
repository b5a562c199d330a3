#pragma once
// The options --trace and --trace-ranks, which two verbs have. The format is core/format's.

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "core/plan/plan.h"
#include "core/timeline/timeline.h"

namespace moesaic::cli {

struct TraceOptions {
  std::string file;   // "": none
  std::string ranks;  // "": all
};

/// `help`: what --trace writes.
void add_trace_options(CLI::App& verb, TraceOptions& options, const std::string& help);

/// The ranks that the trace shows, ascending; empty: all. InputError for others than the plan's.
std::vector<int> traced_ranks(const TraceOptions& options, const Plan& plan);

/// Of a timeline of the plan, whose routing is that of the timeline's step from iteration step * micro_batches on. Does
/// nothing where no trace is asked for.
void write_trace(const TraceOptions& options, const Timeline& timeline, const Plan& plan, int64_t step);

}  // namespace moesaic::cli
