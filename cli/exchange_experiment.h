#pragma once
// Runs an exchange study: predictions in the simulator, measurements through the executor's program. It writes no
// files beside the experiment.

#include "experiments/04_when_does_hierarchical_all_to_all_win/study.h"

namespace moesaic::cli {

/// Leaves emulated hosts out where this machine cannot emulate them; the reason goes to stderr.
Json run_exchange_experiment(const experiments::ExchangeStudy& study);

}  // namespace moesaic::cli
