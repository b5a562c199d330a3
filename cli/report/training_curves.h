#pragma once
// How a run learnt, step by step, as its result document has it and as the page draws it. It draws nothing.

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "core/schema/documents.h"

namespace moesaic {

struct TrainingCurves {
  struct Validation {
    int64_t steps_done = 0;
    double loss = 0;
  };

  std::vector<int64_t> steps;  // their numbers, from 1 of the whole run; of a long run a sample
  // [steps] each, or empty where the result does not say; NaN: skipped by all ranks.
  std::vector<double> loss, learning_rate, gradient_norm;
  std::vector<Validation> validation;
};

/// Of a result of `moesaic execute`; `file` is its name in errors.
TrainingCurves read_training_curves(const Json& result, const std::string& file);

/// {steps, steps_per_point, sampled, loss, learning_rate, gradient_norm, validation: [[steps done, loss]]}. At most
/// `most` points a curve: each, its place in `steps` too, is the mean of as many steps, without those that were
/// skipped; null where all were. `sampled`: the run had more steps than those.
Json training_data(const TrainingCurves& curves, size_t most);

}  // namespace moesaic
