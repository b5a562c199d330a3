#pragma once
// How figures of a step are shown: as the keys of --json and as lines for people. It computes nothing.

#include <string>
#include <vector>

#include "core/evaluate/evaluator.h"
#include "core/plan/choice_fields.h"
#include "core/schema/documents.h"
#include "core/schema/formatted.h"

namespace moesaic::cli {

/// What is predicted for a plan, by its own prediction or a new one: step_seconds, tokens_per_second,
/// tokens_per_second_per_device, mfu, critical_path_seconds, peak_bytes, exposed_communication_seconds, bubble_seconds,
/// exposed_transfer_seconds, tasks; where a bound is known (a plan's prediction, not a simulation) also
/// lower_bound_seconds and gap.
Json prediction_json(const Plan& plan, const Prediction& prediction);
std::string prediction_text(const Plan& plan, const Prediction& prediction);

/// "26,394", "0.664".
std::string rate_text(double per_second);

/// "26,394; 13,197 per device, MFU 41.2 %".
std::string tokens_text(const Plan& plan, double tokens_per_second);

/// The same of the prediction that a plan carries, with prediction_belongs: true, null where the plan does not say, or
/// false; then there are no figures, since they are another plan's.
Json carried_prediction_json(const Plan& plan);
/// Why the figures of a plan's prediction are none of its own, or that nothing shows that they are; "" where they are.
std::string belonging_text(const Plan& plan);

/// "step 12.3 ms" lines aligned on the value: (name, value).
std::string aligned(const std::vector<std::pair<std::string, std::string>>& rows);

/// (name, value) rows about a plan's documents and decisions.
std::vector<std::pair<std::string, std::string>> plan_rows(const Plan& plan, Summary summary = Summary::short_one);

/// "AMD EPYC, AVX512_CORE_BF16"; with the ranks of each where they ran on several kinds; "" where nobody knows.
std::string processors_of(const Json& result, const std::string& file);

}  // namespace moesaic::cli
