#pragma once
// Which rank holds which experts: a decision of a plan. Presets fix the planner's policy instead (planner/placement).

#include <cstdint>
#include <vector>

#include "core/plan/fields_of.h"

namespace moesaic {

struct Plan;

constexpr int kNoExpert = -1;  // a slot that is left empty

/// slot_to_expert: [ep * slots_per_rank], the logical expert in each physical slot of one expert-parallel group; with
/// expert_slices, e * expert_slices + i for slice i of expert e.
struct ExpertPlacement {
  int slots_per_rank = 0;
  std::vector<int> slot_to_expert;
  bool operator==(const ExpertPlacement&) const = default;
};

/// A base of the plan's choices: its key stands in the plan document itself.
struct Placement {
  std::vector<ExpertPlacement> placement;  // [num_moe_layers]; empty: default_placement() in every layer
  bool operator==(const Placement&) const = default;
};

template <>
const FieldTable<Placement>& fields_of<Placement>();

/// What placement counts: experts, or their slices.
int64_t num_placed_experts(const Plan& plan);

/// Rounds in which experts that hold several slots exchange something among these, so that no rank takes part for two
/// experts in one round: an expert with slots on many ranks first, into the first round in which all of them are free.
/// [slots] of one expert-parallel group: the round of the slot's expert; -1: the expert has no other slot.
std::vector<int> replica_rounds(const ExpertPlacement& placement);

/// Contiguous placement: expert e in slot e. Requires num_experts % ep == 0.
ExpertPlacement contiguous_placement(int num_experts, int ep);

/// What a plan without placements has: contiguous; but where ranks gather tokens and slices divide ep, the slices of an
/// expert on consecutive ranks, as engines cut experts (slices = moe_tp, ep / slices = moe_ep): rank g * slices + i
/// holds slice i of the g-th share of the experts.
ExpertPlacement default_placement(const Plan& plan);

void check_placement(const Plan& plan, const PlanChecker& check);

}  // namespace moesaic
