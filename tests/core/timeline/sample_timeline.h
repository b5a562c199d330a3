#pragma once
// A timeline of two ranks that is small enough to check on paper.

#include "core/timeline/timeline.h"

namespace moesaic {

// Rank 0, in milliseconds:          Rank 1:
//   attention    [0, 4)  compute      attention    [0, 2)  compute
//   dispatch     [3, 7)  network      dispatch     [2, 7)  network
//   weight grad  [8, 9)  compute      weight grad  [7, 10) compute
inline Timeline sample_timeline() {
  Timeline timeline;
  timeline.plan_hash = "00000000000000aa";
  timeline.num_ranks = 2;
  timeline.step_seconds = 0.010;
  timeline.rows = {{"layer 0 / attention", Op::attention, Lane::compute, Phase::forward, 0},
                   {"layer 0 / dispatch", Op::all_to_all, Lane::network, Phase::forward, 0},
                   {"layer 0 / weight grad", Op::linear_wgrad, Lane::compute, Phase::backward, 0}};
  timeline.times = {{0, 0, 0.000, 0.004}, {0, 1, 0.003, 0.007}, {0, 2, 0.008, 0.009},
                    {1, 0, 0.000, 0.002}, {1, 1, 0.002, 0.007}, {1, 2, 0.007, 0.010}};
  timeline.memory = {{0, 0.000, 1000}, {0, 0.004, 3000}, {1, 0.000, 1000}, {1, 0.007, 2500}};
  return timeline;
}

/// Two stages of one rank each, in whole seconds; stage_waits_test.cpp says what each rank does when.
inline Timeline pipeline_timeline() {
  Timeline timeline;
  timeline.num_ranks = timeline.num_stages = 2;
  timeline.step_seconds = 15;
  timeline.rows = {
      {"layer 0 / forward", Op::attention, Lane::compute, Phase::forward, 0},
      {"forward / stage 0 to 1", Op::all_to_all, Lane::network, Phase::forward, -1, StageMeeting::next},
      {"layer 1 / forward", Op::attention, Lane::compute, Phase::forward, 1},
      {"layer 1 / backward", Op::attention, Lane::compute, Phase::backward, 1},
      {"backward / stage 1 to 0", Op::all_to_all, Lane::network, Phase::backward, -1, StageMeeting::previous},
      {"layer 0 / backward", Op::attention, Lane::compute, Phase::backward, 0},
      {"update / sum losses", Op::all_reduce, Lane::network, Phase::update, -1, StageMeeting::all}};
  timeline.times = {{0, 0, 0, 3}, {0, 1, 3, 5}, {0, 4, 5, 12}, {0, 5, 12, 14}, {0, 6, 14, 15},
                    {1, 1, 0, 5}, {1, 2, 5, 7}, {1, 3, 7, 11}, {1, 4, 11, 12}, {1, 6, 12, 15}};
  return timeline;
}

}  // namespace moesaic
