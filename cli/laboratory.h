#pragma once
// The laboratory of this program: shipped documents, SimGrid, and the executor's program. It knows no study.

#include "cli/session.h"
#include "experiments/laboratory/laboratory.h"

namespace moesaic::cli {

inline constexpr const char* kExperiments = MOESAIC_SOURCE_DIR "/experiments";

/// All three outlive it. Executions are on this machine; where it cannot emulate hosts, the reason goes to stderr.
experiments::Laboratory laboratory_of(const Session& session, Evaluator& evaluator, Progress& progress);

}  // namespace moesaic::cli
