#include <algorithm>
#include <cmath>

#include "experiments/12_do_gpu_predictions_hold/result.h"
#include "experiments/figures/statistics.h"

namespace moesaic::experiments {

namespace {

/// Of all rows: predicted / measured - 1 with its sign and without, and that of the null model without.
struct Errors {
  std::vector<double> signed_ones, sizes, of_null;
  double worst() const { return *std::max_element(sizes.begin(), sizes.end()); }
};

template <typename Row>
Errors errors_of(const std::vector<Row>& rows) {
  Errors errors;
  for (const Row& row : rows) {
    errors.signed_ones.push_back(row.error());
    errors.sizes.push_back(std::abs(row.error()));
    errors.of_null.push_back(std::abs(row.null_error()));
  }
  return errors;
}

}  // namespace

TrainedErrors trained_errors(const std::vector<TrainedRow>& rows) {
  const Errors errors = errors_of(rows);
  std::vector<double> of_memory;
  for (const TrainedRow& row : rows)
    if (row.memory_error()) of_memory.push_back(std::abs(*row.memory_error()));
  return {std::ssize(rows),       median(errors.sizes),       errors.worst(),
          median(errors.of_null), median(errors.signed_ones), of_memory.empty() ? 0 : median(of_memory)};
}

ExchangedErrors exchanged_errors(const std::vector<ExchangedRow>& rows) {
  const Errors errors = errors_of(rows);
  return {std::ssize(rows),       median(errors.sizes),
          errors.worst(),         median(errors.signed_ones),
          median(errors.of_null), *std::max_element(errors.of_null.begin(), errors.of_null.end())};
}

}  // namespace moesaic::experiments
