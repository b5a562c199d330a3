#pragma once
// Runs SE-MoE's training table, and its two systems on this machine: finds the documents that the studies name and
// hands in the simulator and the executor. Of files it writes the fitted constants alone.

#include "cli/session.h"
#include "experiments/02_semoe_training_table/study.h"
#include "experiments/02b_does_semoe_win_here/study.h"

namespace moesaic::cli {

/// The result; the constants go to `constants_file`.
Json run_table_experiment(const experiments::TableStudy& study, const std::string& constants_file,
                          const Session& session);

/// `execute` runs a plan and gives the executor's result document.
Json run_presets_here_experiment(const experiments::PresetsHere& study,
                                 const std::function<Json(const Plan&, int64_t steps)>& execute,
                                 const Session& session);

}  // namespace moesaic::cli
