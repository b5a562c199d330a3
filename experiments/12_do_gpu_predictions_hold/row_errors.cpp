#include <algorithm>
#include <cmath>

#include "experiments/12_do_gpu_predictions_hold/result.h"
#include "experiments/figures/statistics.h"

namespace moesaic::experiments {

TrainedErrors trained_errors(const std::vector<TrainedRow>& rows) {
  std::vector<double> errors, signed_errors, of_null, of_memory;
  for (const TrainedRow& row : rows) {
    signed_errors.push_back(row.error());
    errors.push_back(std::abs(row.error()));
    of_null.push_back(std::abs(row.null_error()));
    if (row.memory_error()) of_memory.push_back(std::abs(*row.memory_error()));
  }
  return {std::ssize(rows), median(errors),        *std::max_element(errors.begin(), errors.end()),
          median(of_null),  median(signed_errors), of_memory.empty() ? 0 : median(of_memory)};
}

ExchangedErrors exchanged_errors(const std::vector<ExchangedRow>& rows) {
  std::vector<double> errors, signed_errors, of_null;
  for (const ExchangedRow& row : rows) {
    signed_errors.push_back(row.error());
    errors.push_back(std::abs(row.error()));
    of_null.push_back(std::abs(row.null_error()));
  }
  return {std::ssize(rows),      median(errors),  *std::max_element(errors.begin(), errors.end()),
          median(signed_errors), median(of_null), *std::max_element(of_null.begin(), of_null.end())};
}

}  // namespace moesaic::experiments
