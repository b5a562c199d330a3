#pragma once
// The list of all studies. It knows their names, and nothing of what they ask.

#include "experiments/laboratory/study.h"

namespace moesaic::experiments {

/// The study that an experiment.json names; null where it names none, as those that no program runs. InputError for a
/// name that no study has.
const Study* study_of(const Json& experiment, const std::string& file);

}  // namespace moesaic::experiments
