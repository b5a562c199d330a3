#pragma once
// One cell of SE-MoE's training table: a system's plan on a number of devices under what the paper does not say, and
// the memory that the graph does not know of. It fits nothing and simulates nothing.

#include <array>
#include <string>

#include "planner/problem/problem.h"

namespace moesaic::experiments {

/// What the paper does not say. Everything that is chosen stands here.
struct Unknowns {
  int64_t sequence_length = 1024;
  int64_t top_k = 1;
  double capacity_factor = 1;                // of presets that pad
  BytesPerSecond card_bytes_per_s = 12.5e9;  // of one card; a GPU has one
  bool keeps_scores = false;                 // attention of several kernels, which keep and move its scores
  bool operator==(const Unknowns&) const = default;

  static void members(auto& self, auto visit) {
    visit("sequence_length", self.sequence_length);
    visit("top_k", self.top_k);
    visit("capacity_factor", self.capacity_factor);
    visit("card_bytes_per_s", self.card_bytes_per_s);
    visit("keeps_scores", self.keeps_scores);
  }
};

/// One phrase for each.
std::array<std::string, 5> in_words(const Unknowns& unknowns);

/// The plan of a preset: one expert-parallel group over all ranks, one microbatch, the preset's other decisions.
Plan preset_plan(planner::Problem problem, const planner::Fixed& preset);

/// The same where the paper's unknowns are these. Where attention keeps its scores its time is assumed, from the
/// passes over them; else it is what the profile says of a fused kernel.
Plan cell_plan(const planner::Problem& row, const planner::Fixed& preset, const Unknowns& unknowns);

/// By how much attention scores that are kept for backward raise the peak of rank 0, tasks in program order; 0 where
/// none are kept. The graph's own attention keeps one statistic per query and head (FlashAttention); attention of 2022
/// kept softmax, dropout mask and dropped scores, 5 bytes a score in 16 bits (arXiv 2205.05198, section 4.1).
Bytes kept_score_bytes(const Plan& plan, const Unknowns& unknowns);

/// Seconds of attention over `sequences` whose scores stand in memory, forward or backward: the products of all pairs,
/// masked ones included, at the efficiencies that the profile assumes, and the passes over the scores. Bytes a score,
/// forward: written 2, softmax 2 + 2, dropout 2 + 2 and its mask 1, read for the weighted sum 2: 13. Backward: gradient
/// written 2, through dropout 2 + 1 + 2, through softmax 2 + 2 + 2, read for queries, keys and values 2 + 2 + 2: 19.
Seconds separate_attention_seconds(const Plan& plan, int64_t sequences, bool backward);

}  // namespace moesaic::experiments
