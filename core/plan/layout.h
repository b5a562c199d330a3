#pragma once
// How ranks share the work: a decision of a plan. What a layout does to a step is in core/graph and core/technique.

#include <algorithm>

#include "core/plan/fields_of.h"

namespace moesaic {

struct Plan;

/// What backward finds of a layer's forward: everything; the layer's input; its input and what collectives brought.
enum class Recompute { none, full, communication_aware };
const char* name_of(Recompute recompute);

/// Outside attention and dense FFN the ranks of a tensor-parallel group have tokens of their own, or all the same.
enum class GroupTokens { split, replicated };
const char* name_of(GroupTokens tokens);

/// Data parallelism spans all ranks of a pipeline stage for dense parameters; experts are spread over groups of `ep`
/// consecutive ranks of a stage.
struct Layout {
  int ranks = 1;
  int ep = 1;             // ranks that together hold every expert once; divides ranks
  int micro_batches = 1;  // per step
  int zero = 0;           // ZeRO stage: 1 divides optimizer states, 2 gradients too, 3 weights too
  int tp = 1;             // consecutive ranks that cut attention and dense FFN among themselves
  int expert_slices = 1;  // parts of every expert's intermediate width, placed like experts of their own
  Recompute recompute = Recompute::none;
  int pp = 1;  // pipeline stages: equally many consecutive ranks each, a stretch of layers on each
  GroupTokens tp_tokens = GroupTokens::split;
  int stage_ranks() const { return ranks / pp; }  // of one pipeline stage
  /// Ranks that have the same tokens; how many others of a stage share the batch with them. At least 1 each, also of a
  /// layout that check_layout() refuses.
  int token_copies() const { return tp_tokens == GroupTokens::replicated ? std::max(1, tp) : 1; }
  int token_holders() const { return std::max(1, stage_ranks() / token_copies()); }
  bool operator==(const Layout&) const = default;
};

template <>
const FieldTable<Layout>& fields_of<Layout>();

/// Ranks, batch and pipeline stages.
void check_layout(const Plan& plan, const PlanChecker& check);
/// What tensor parallelism and slices cut must divide.
void check_cuts(const Plan& plan, const PlanChecker& check);

}  // namespace moesaic
