#pragma once
// Runs that are compared take turns, so that what disturbs the machine for a while disturbs all of them.

#include <cstddef>
#include <functional>
#include <type_traits>
#include <vector>

namespace moesaic::experiments {

/// `run(item)` of every item, item after item, round after round: [items][rounds]. `done` is told after each.
template <typename Run>
auto in_turns(size_t items, int rounds, Run run, const std::function<void()>& done) {
  std::vector<std::vector<std::invoke_result_t<Run, size_t>>> results(items);
  for (int round = 0; round < rounds; ++round)
    for (size_t item = 0; item < items; ++item) {
      results[item].push_back(run(item));
      done();
    }
  return results;
}

}  // namespace moesaic::experiments
