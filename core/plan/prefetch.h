#pragma once
// How far ahead of its use data is fetched: a decision of a plan.

#include "core/plan/fields_of.h"

namespace moesaic {

struct Plan;

struct Prefetch {
  int dense = 0;    // layers: all-gathers of dense weights (ZeRO-3)
  int experts = 0;  // MoE layers: expert weights from storage and host memory to the device
  bool operator==(const Prefetch&) const = default;
};

template <>
const FieldTable<Prefetch>& fields_of<Prefetch>();

void check_prefetch(const Plan& plan, const PlanChecker& check);

}  // namespace moesaic
