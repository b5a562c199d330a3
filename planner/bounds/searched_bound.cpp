#include "planner/bounds/searched_bound.h"

#include <algorithm>

#include "planner/bounds/path_bound.h"
#include "planner/bounds/step_bound.h"
#include "planner/layout/enumerate.h"
#include "planner/layout/layout_space.h"
#include "planner/layout/training_states.h"
#include "planner/search/candidates.h"

namespace moesaic::planner {
namespace {

template <typename T>
bool has(const std::vector<T>& values, T value) {
  return std::count(values.begin(), values.end(), value) > 0;
}

/// Of every group of layouts one that takes least time: ZeRO-1 divides as much of the update as the stages above it and
/// sends no more; to compute again saves no time.
LayoutValues quickest(LayoutValues values) {
  if (has(values.zero, 1)) std::erase_if(values.zero, [](int zero) { return zero > 1; });
  if (has(values.recompute, Recompute::none)) values.recompute = {Recompute::none};
  if (has(values.embedding, Embedding::replicated)) values.embedding = {Embedding::replicated};
  if (!has(values.zero, 3)) values.dense_prefetch = {0};
  return values;
}

class Fitting {
 public:
  Fitting(const Plan& documents, const LayoutValues& all) : forms_(documents), all_(all) {}

  /// Whether the layout, or one that takes more time for less memory, fits.
  bool any(const Plan& quickest) {
    if (fits(quickest)) return true;
    for (const Embedding held : all_.embedding) {
      Plan frugal = quickest;
      divide_states(frugal, frugal.layout.pp > 1 ? std::min(1, all_.zero.back()) : all_.zero.back());
      frugal.prefetch.dense = 0;
      if (has(all_.recompute, Recompute::full)) frugal.layout.recompute = Recompute::full;
      frugal.embedding = frugal.layout.pp > 1 ? Embedding::replicated : held;
      if (can_be_lowered(frugal) && fits(frugal)) return true;
    }
    return false;
  }

 private:
  bool fits(const Plan& plan) {
    constexpr double kUncertain = 1.25;  // its memory was at most 12 % too high on the device (planner/prices)
    return static_cast<double>(forms_.price(plan).memory.device) <=
           kUncertain * static_cast<double>(plan.cluster.device.usable_memory_bytes());
  }

  ClosedForm forms_;
  const LayoutValues& all_;
};

Freedom freedom_of(const Problem& problem) {
  return {problem.fixed.get(&Dispatch::chunks).value_or(kMostChunks), problem.fixed.placement ? 0 : kMostReplicaSlots,
          true};
}

/// Few layouts, each with its whole graph: ranks of teams have no closed form.
SearchedBound bound_of_teams(const Problem& problem) {
  SearchedBound least;
  for (const LayoutCandidate& candidate : enumerate_layouts(problem)) {
    const Seconds bound = step_bound(baseline_plan(problem, candidate.layout)).seconds();
    if (least.layouts++ == 0 || bound < least.seconds) least.seconds = bound;
  }
  return least;
}

}  // namespace

SearchedBound searched_bound(const Problem& problem) {
  if (problem.model.routed_by_task) return bound_of_teams(problem);
  const LayoutValues all = layout_values(problem), values = quickest(all);
  const Plan documents = baseline_plan(problem, {});
  Fitting fitting(documents, all);
  PathBound path(documents);
  const Freedom freedom = freedom_of(problem);
  SearchedBound of_fitting, of_all;
  const auto take = [](SearchedBound& least, Seconds bound) {
    if (least.layouts++ == 0 || bound < least.seconds) least.seconds = bound;
  };
  for_each_layout(problem, values, [&](const Plan& plan) {
    const Seconds bound = path.of(plan, freedom);
    take(of_all, bound);
    if ((of_fitting.layouts == 0 || bound < of_fitting.seconds) && fitting.any(plan)) take(of_fitting, bound);
    return true;
  });
  if (problem.stop()) return {};
  if (of_fitting.layouts > 0) return {of_fitting.seconds, of_all.layouts};
  return {of_all.seconds, of_all.layouts};
}

}  // namespace moesaic::planner
