#include "core/plan/dispatch.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/plan/decision_field.h"
#include "core/plan/plan.h"
#include "core/plan/plan_checker.h"

namespace moesaic {
namespace {

constexpr const char* kDispatchNames[] = {"ragged", "padded"};
constexpr const char* kAllToAllNames[] = {"flat", "hierarchical_2d"};

}  // namespace

const char* name_of(DispatchKind kind) { return kDispatchNames[static_cast<size_t>(kind)]; }
const char* name_of(AllToAllKind kind) { return kAllToAllNames[static_cast<size_t>(kind)]; }

template <>
const FieldTable<Dispatch>& fields_of<Dispatch>() {
  static const FieldTable<Dispatch> fields = {
      choice("kind", &Dispatch::kind, kDispatchNames,
             "whether ranks send as many rows as they have, or a fixed number per expert")
          .always_in_words("%")
          .in_summary("dispatch"),
      number("capacity_factor", &Dispatch::capacity_factor, {0, 1e6},
             "of padded dispatch: rows per source and expert, over their mean; tokens beyond are dropped")
          .in_words("capacity %"),
      choice("all_to_all", &Dispatch::all_to_all, kAllToAllNames,
             "whether rows travel straight to their rank, or first inside the node and then between nodes")
          .always_in_words("%")
          .in_summary("dispatch",
                      [](const Dispatch& of) -> std::string {
                        return of.all_to_all == AllToAllKind::flat ? "flat all-to-all" : "hierarchical all-to-all";
                      }),
      integer("chunks", &Dispatch::chunks, kCount,
              "pieces of tokens into which dispatch, experts and combine of a layer are cut, to overlap")
          .always_in_words("% chunk|% chunks")
          .in_summary("dispatch"),
  };
  return fields;
}

void check_capacity(const Dispatch& dispatch, const PlanChecker& check) {
  const bool padded = dispatch.kind == DispatchKind::padded;
  check.require(!padded || dispatch.capacity_factor > 0, "/dispatch/capacity_factor", "padded dispatch has no capacity",
                "give a capacity_factor above 0, for example 1.25");
  check.require(padded || dispatch.capacity_factor == 0, "/dispatch/capacity_factor",
                "ragged dispatch drops no token, so it has no capacity",
                "set capacity_factor to 0, or dispatch padded");
}

void check_dispatch(const Plan& plan, const PlanChecker& check) {
  const Dispatch& dispatch = plan.dispatch;
  check_capacity(dispatch, check);
  const std::vector<int64_t> sequences = local_sequences(plan);
  const int64_t tokens = *std::min_element(sequences.begin(), sequences.end()) *
                         (plan.workload.phase == WorkloadPhase::decode ? 1 : plan.workload.sequence_length);
  check.require(
      dispatch.chunks >= 1 && dispatch.chunks <= tokens, "/dispatch/chunks",
      std::to_string(dispatch.chunks) + " chunks of " + std::to_string(tokens) + " tokens per rank and microbatch",
      "choose 1 to " + std::to_string(tokens) + " chunks");
  const int per_node = plan.cluster.devices_per_node;
  check.require(
      dispatch.all_to_all == AllToAllKind::flat || (plan.layout.ep > per_node && plan.layout.ep % per_node == 0),
      "/dispatch/all_to_all",
      "hierarchical_2d with ep " + std::to_string(plan.layout.ep) + " on nodes of " + std::to_string(per_node) +
          " devices",
      "choose an ep that is a multiple of the devices per node and spans two nodes or more, or flat");
}

}  // namespace moesaic
