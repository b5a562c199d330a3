#include "core/steps/pipeline.h"

#include <algorithm>
#include <tuple>

namespace moesaic {
namespace {

/// The passes of one stage in its own order.
std::vector<StagePass> passes_of(int stage, int num_stages, int microbatches) {
  const int ahead = std::min(num_stages - 1 - stage, microbatches);
  std::vector<StagePass> passes;
  for (int m = 0; m < ahead; ++m) passes.push_back({false, stage, m});
  for (int m = 0; m < microbatches; ++m) {
    if (m + ahead < microbatches) passes.push_back({false, stage, m + ahead});
    passes.push_back({true, stage, m});
  }
  return passes;
}

/// When passes end if each begins as soon as its stage and its input allow.
class Timetable {
 public:
  Timetable(int num_stages, int microbatches)
      : num_stages_(num_stages), end_(2 * static_cast<size_t>(num_stages) * microbatches, -1) {}

  int& end(const StagePass& pass) {
    return end_[(static_cast<size_t>(pass.microbatch) * num_stages_ + pass.stage) * 2 + pass.backward];
  }
  /// The time at which a pass's input is there; -1: not known yet.
  int input(StagePass pass) {
    const bool first = pass.backward ? pass.stage == num_stages_ - 1 : pass.stage == 0;
    if (!first) {
      pass.stage += pass.backward ? 1 : -1;
      return end(pass);
    }
    return pass.backward ? end({false, pass.stage, pass.microbatch}) : 0;
  }

 private:
  int num_stages_;
  std::vector<int> end_;
};

bool has_consumer(const StagePass& pass, int num_stages) {
  return pass.backward ? pass.stage > 0 : pass.stage < num_stages - 1;
}

}  // namespace

std::vector<PipelineStep> one_forward_one_backward(int num_stages, int microbatches) {
  using Entry = std::tuple<int, bool, int, PipelineStep>;  // time; at equal times sends before passes, earlier stages
  Timetable times(num_stages, microbatches);               // first
  std::vector<std::vector<StagePass>> passes;
  for (int stage = 0; stage < num_stages; ++stage) passes.push_back(passes_of(stage, num_stages, microbatches));
  std::vector<size_t> next(passes.size(), 0);
  std::vector<int> free_at(passes.size(), 0);
  std::vector<Entry> entries;
  for (bool progress = true; progress;) {
    progress = false;
    for (size_t stage = 0; stage < passes.size(); ++stage)
      while (next[stage] < passes[stage].size() && times.input(passes[stage][next[stage]]) >= 0) {
        const StagePass pass = passes[stage][next[stage]++];
        const int start = std::max(free_at[stage], times.input(pass));
        free_at[stage] = times.end(pass) = start + (pass.backward ? 2 : 1);
        entries.push_back({start, true, pass.stage, {pass, false}});
        if (has_consumer(pass, num_stages)) entries.push_back({free_at[stage], false, pass.stage, {pass, true}});
        progress = true;
      }
  }
  std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::tie(std::get<0>(a), std::get<1>(a), std::get<2>(a)) <
           std::tie(std::get<0>(b), std::get<1>(b), std::get<2>(b));
  });
  std::vector<PipelineStep> steps;
  for (const Entry& entry : entries) steps.push_back(std::get<3>(entry));
  return steps;
}

}  // namespace moesaic
