#pragma once
// The result document of this question.

#include "experiments/laboratory/record.h"

namespace moesaic::experiments {

/// Errors |read / measured - 1| of points that the reading did not have, and of a null model that has seen them: one
/// factor on the base of all points of the kernel, the median.
struct ReadingErrors {
  std::string device, kernel, weights;
  std::string left_out;   // every second line of an axis, of all axes, a routing
  std::string points_of;  // "20 us and more", "less than 20 us", "balanced", "skewed"
  int64_t points = 0;
  double median = 0, mean = 0, p95 = 0, null_median = 0, null_p95 = 0;
  static void members(auto& self, auto visit) {
    visit("device", self.device);
    visit("kernel", self.kernel);
    visit("weights", self.weights);
    visit("left_out", self.left_out);
    visit("points_of", self.points_of);
    visit("points", self.points);
    visit("median", self.median);
    visit("mean", self.mean);
    visit("p95", self.p95);
    visit("null_median", self.null_median);
    visit("null_p95", self.null_p95);
  }
};

struct ReadingResult {
  static constexpr const char* kKind = "result";
  std::string experiment;
  std::vector<ReadingErrors> errors;
  static void members(auto& self, auto visit) {
    visit("experiment", self.experiment);
    visit("errors", self.errors);
  }
};

}  // namespace moesaic::experiments
