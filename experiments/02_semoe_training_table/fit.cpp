#include "experiments/02_semoe_training_table/fit.h"

#include <algorithm>
#include <cmath>

#include "core/schema/error.h"

namespace moesaic::experiments {
namespace {

constexpr double kTolerance = 1e-3;        // of the throughput
constexpr double kSlowestGemm = 1.0 / 64;  // share of the peak below which nothing is tried

std::vector<MemoryFit> fit_memory(const FittedCell& cell, const FitAxes& axes) {
  std::vector<MemoryFit> fits;
  for (const int64_t length : axes.sequence_lengths)
    for (const int64_t kept : axes.kept_bytes_per_score) {
      Constants constants;
      constants.sequence_length = length;
      constants.kept_bytes_per_score = kept;
      const Bytes bytes = program_order_peak(cell_plan(cell.row, cell.preset, constants), constants);
      fits.push_back({length, kept, bytes, static_cast<double>(bytes) / static_cast<double>(cell.memory_bytes) - 1});
    }
  std::stable_sort(fits.begin(), fits.end(),
                   [](const MemoryFit& a, const MemoryFit& b) { return std::abs(a.error) < std::abs(b.error); });
  return fits;
}

/// Regula falsi (Illinois) for the reciprocal of the GEMM efficiency, in which the step is nearly linear.
struct Search {
  Constants constants;
  double low = 1, high = 1 / kSlowestGemm;  // reciprocals
  double low_excess = 0, high_excess = 0;   // of the step over the wanted one, seconds
  double next = 1;                          // reciprocal to try
  int tried = 0, last_side = 0;
  bool found = false, too_slow = false;

  bool finished() const { return found || too_slow; }
  void learn(double excess, double wanted);
};

void Search::learn(double excess, double wanted) {
  constants.gemm_efficiency = 1 / next;
  found = std::abs(excess) <= kTolerance * wanted / 2;
  if (tried++ == 0) {
    too_slow = !found && excess > 0;
    low_excess = excess;
    next = high;
    return;
  }
  if (tried == 2) MOESAIC_CHECK(excess > 0, "the throughput wants less than the slowest matrix product");
  if (tried == 2 || excess > 0) {
    if (last_side == 1) low_excess /= 2;
    high = next, high_excess = excess, last_side = 1;
  } else {
    if (last_side == -1) high_excess /= 2;
    low = next, low_excess = excess, last_side = -1;
  }
  MOESAIC_CHECK(tried < 100, "the step does not grow with the time of its matrix products");
  next = (low * high_excess - high * low_excess) / (high_excess - low_excess);
}

void fit_rates(const FittedCell& cell, std::vector<Search>& searches, Evaluator& evaluator) {
  const auto open = [](const Search& search) { return !search.finished(); };
  while (std::any_of(searches.begin(), searches.end(), open)) {
    std::vector<Plan> plans;
    for (Search& search : searches) {
      if (search.finished()) continue;
      Constants constants = search.constants;
      constants.gemm_efficiency = 1 / search.next;
      plans.push_back(cell_plan(cell.row, cell.preset, constants));
    }
    const std::vector<Evaluation> evaluations = evaluator.evaluate(plans);
    size_t answer = 0;
    for (Search& search : searches) {
      if (search.finished()) continue;
      const double wanted = static_cast<double>(plans[answer].workload.tokens_per_step()) / cell.tokens_per_second;
      search.learn(evaluations[answer++].prediction.step_seconds - wanted, wanted);
    }
  }
}

/// Squared distance from the priors; factors count alike up and down.
double distance(const Constants& constants, const FitAxes& axes) {
  const auto squared = [](double factor) { return std::log(factor) * std::log(factor); };
  return squared(constants.gemm_efficiency / axes.gemm_prior) + squared(constants.link_efficiency / axes.link_prior) +
         squared(constants.spine_oversubscription);
}

}  // namespace

Fit fit_constants(const FittedCell& cell, const FitAxes& axes, Evaluator& evaluator) {
  Fit fit;
  fit.memory = fit_memory(cell, axes);
  std::vector<Search> searches;
  for (const double links : axes.link_efficiencies)
    for (const double spine : axes.spine_oversubscriptions) {
      Search search;
      search.constants = {fit.memory[0].sequence_length, fit.memory[0].kept_bytes_per_score, 1, links, spine};
      searches.push_back(search);
    }
  fit_rates(cell, searches, evaluator);
  for (const Search& search : searches) (search.found ? fit.as_good : fit.too_slow).push_back(search.constants);
  MOESAIC_CHECK(!fit.as_good.empty(), "no rates give the throughput of the fitted cell");
  fit.chosen = *std::min_element(fit.as_good.begin(), fit.as_good.end(), [&](const Constants& a, const Constants& b) {
    return distance(a, axes) < distance(b, axes);
  });
  return fit;
}

}  // namespace moesaic::experiments
