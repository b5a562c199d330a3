#pragma once
// One HTML file that shows a step, predicted and measured, to a person. It opens without a network and computes no
// figure of its own that the comparison or the metrics already hold.

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/report/training_curves.h"
#include "core/timeline/comparison.h"
#include "core/timeline/memory_series.h"
#include "core/timeline/timeline.h"

namespace moesaic {

/// Pointers may be null; a section without data is left out.
struct ReportInput {
  std::string title;
  std::vector<std::pair<std::string, std::string>>
      summary;  // (name, value) rows about the plan, as a person reads them
  const Timeline* predicted = nullptr;
  const Timeline* measured = nullptr;
  const Comparison* comparison = nullptr;
  std::optional<TrainingCurves> training;         // of the measured run
  std::optional<MeasuredSteps> steps;             // of the measured run, where no comparison says what disturbed it
  std::vector<ExpertPlacement> placement;         // [num_moe_layers]
  std::vector<std::vector<double>> expert_loads;  // [num_moe_layers, num_experts], rows per microbatch; empty: unknown
  bool loads_recorded = false;                    // expert_loads are counts of a run, not what the plan assumes
  std::vector<TierMemory> tiers;                  // empty: nothing is known but what the timelines sampled
  std::map<std::string, Bytes> measured_peaks;    // of one rank by tier, as an execution reported them
};

std::string html_report(const ReportInput& input);

}  // namespace moesaic
