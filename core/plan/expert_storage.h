#pragma once
// Where the states of experts live between uses: a decision of a plan. How its cache decides is in core/policy.

#include <cstdint>

#include "core/plan/fields_of.h"

namespace moesaic {

struct Plan;

enum class Tier { device, host, storage };
const char* name_of(Tier tier);

/// Where the states of experts (weights, moments) live between uses, and what of storage host memory caches (SE-MoE
/// sections 3.2.1 and 3.2.2, algorithm 2). Its defaults are measured in experiments/03; the paper gives none.
struct ExpertStorage {
  Tier home = Tier::device;
  int64_t cache_entries = 0;  // expert slots whose states host memory holds, per rank; storage only
  double threshold = 0;       // hits below which an entry is not evicted
  double decay = 0.25;        // beta
  int64_t period = 0;         // K, requests between two decays; 0: two training iterations
  int64_t flush_period = 0;   // steps between two flushes of changed states to storage; 0: only when evicted
  bool operator==(const ExpertStorage&) const = default;
};

template <>
const FieldTable<ExpertStorage>& fields_of<ExpertStorage>();

void check_expert_storage(const Plan& plan, const PlanChecker& check);

}  // namespace moesaic
