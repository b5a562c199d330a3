#include "core/plan/prefetch.h"

#include <nlohmann/json.hpp>

#include "core/plan/decision_field.h"
#include "core/plan/plan.h"
#include "core/plan/plan_checker.h"

namespace moesaic {
namespace {

constexpr IntegerRange kLayers{0, 1 << 16};

constexpr Condition kGathersAhead = {[](const PlanChoices& choices) { return choices.layout.zero == 3; },
                                     "gathers weights ahead, which only ZeRO-3 does", "layout.zero", "3"};
constexpr Condition kFetchesExperts = {
    [](const PlanChoices& choices) { return choices.expert_storage.home != Tier::device; },
    "fetches experts ahead that live on the device", "expert_storage.home", "host or storage"};

}  // namespace

template <>
const FieldTable<Prefetch>& fields_of<Prefetch>() {
  static const FieldTable<Prefetch> fields = {
      integer("dense", &Prefetch::dense, kLayers, "layers by which all-gathers of dense weights (ZeRO-3) run ahead")
          .in_training()
          .where(kGathersAhead)
          .in_words("dense weights % layer ahead|dense weights % layers ahead")
          .in_summary("dense states", "% layer ahead|% layers ahead")
          .at_end_of_row(),
      integer("experts", &Prefetch::experts, kLayers,
              "MoE layers by which expert states that live off the device are fetched ahead")
          .in_training()
          .where(kFetchesExperts)
          .in_words("experts % layer ahead|experts % layers ahead")
          .in_summary("expert states", "% MoE layer ahead|% MoE layers ahead")
          .at_end_of_row(),
  };
  return fields;
}

void check_prefetch(const Plan& plan, const PlanChecker& check) {
  check.require(plan.prefetch.dense >= 0, "/prefetch/dense", "is below 0", "set it to 0 or more");
  check.require(plan.prefetch.experts >= 0, "/prefetch/experts", "is below 0", "set it to 0 or more");
}

}  // namespace moesaic
