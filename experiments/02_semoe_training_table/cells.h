#pragma once
// One cell of SE-MoE's training table: a system's plan on a number of devices under assumed constants, and the memory
// that the graph does not know of. It fits nothing and simulates nothing.

#include "planner/problem/problem.h"

namespace moesaic::experiments {

/// What the paper does not say. Everything that is fitted or assumed stands here.
struct Constants {
  int64_t sequence_length = 1024;
  int64_t kept_bytes_per_score = 0;   // per head, query and key that forward keeps for backward
  double gemm_efficiency = 0.5;       // share of the device's peak
  double link_efficiency = 1;         // share of the bandwidth of cards and intra-node ports
  double spine_oversubscription = 1;  // cards of a rail over its uplink; 1: the spine blocks nothing
  bool operator==(const Constants&) const = default;

  static void members(auto& self, auto visit) {
    visit("sequence_length", self.sequence_length);
    visit("kept_bytes_per_score", self.kept_bytes_per_score);
    visit("gemm_efficiency", self.gemm_efficiency);
    visit("link_efficiency", self.link_efficiency);
    visit("spine_oversubscription", self.spine_oversubscription);
  }
};

/// The plan of a preset: one expert-parallel group over all ranks, one microbatch, the preset's other decisions.
Plan preset_plan(planner::Problem problem, const planner::Fixed& preset);

/// The same under these constants.
Plan cell_plan(const planner::Problem& row, const planner::Fixed& preset, const Constants& constants);

/// By how much attention scores that are kept for backward raise the peak of rank 0. The graph's own attention keeps
/// one statistic per query and head (FlashAttention); attention of 2022 kept the scores themselves: softmax, dropout
/// mask and dropped scores, 5 bytes each in 16-bit training (arXiv 2205.05198, section 4.1).
Bytes kept_score_bytes(const Plan& plan, const Constants& constants);

/// Peak of rank 0 with those scores, tasks in program order.
Bytes program_order_peak(const Plan& plan, const Constants& constants);

}  // namespace moesaic::experiments
