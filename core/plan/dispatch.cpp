#include "core/plan/dispatch.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/plan/decision_field.h"
#include "core/plan/plan.h"
#include "core/plan/plan_checker.h"

namespace moesaic {
namespace {

constexpr const char* kDispatchNames[] = {"ragged", "padded"};
constexpr const char* kAllToAllNames[] = {"flat", "hierarchical_2d", "node_limited"};
constexpr const char* kExchangeNames[] = {"all_to_all", "all_gather"};
constexpr const char* kKernelNames[] = {"permute", "einsum"};

constexpr Condition kFixedRows = {
    [](const PlanChoices& choices) { return choices.dispatch.kind == DispatchKind::padded; },
    "makes masks of as many columns as rows are sent, which must be a fixed number", "dispatch.kind", "padded"};

constexpr Condition kRowsTravel = {[](const PlanChoices& choices) { return !choices.dispatch.gathers_tokens(); },
                                   "says how rows travel to their experts", "dispatch.exchange", "all_to_all"};

/// What is made of rows on their way has no place where none are on a way.
void check_gathering(const Plan& plan, const PlanChecker& check) {
  const Dispatch& dispatch = plan.dispatch;
  if (!dispatch.gathers_tokens()) return;
  const auto only = [&](bool condition, const std::string& problem, const std::string& remedy) {
    check.require(condition, "/dispatch/exchange", "all_gather " + problem, remedy + ", or set exchange to all_to_all");
  };
  only(plan.layout.ep > 1, "has nobody to gather from at ep 1", "choose an ep above 1");
  only(dispatch.kind == DispatchKind::ragged, "computes what its experts have, and padding fills messages",
       "dispatch ragged");
  only(!plan.elastic.present(), "gathers equally many tokens of each rank, and elastic shares may differ",
       "leave elastic out");
  only(plan.expert_storage.home == Tier::device, "reads the experts of this rank where they are",
       "set expert_storage.home to \"device\"");
}

void check_einsum(const Plan& plan, const PlanChecker& check) {
  if (plan.dispatch.kernel == RowKernel::permute) return;
  check.require(plan.dispatch.chunks == 1, "/dispatch/kernel", "einsum makes masks of all tokens at once",
                "set chunks to 1, or kernel to \"permute\"");
  check.require(!plan.elastic.present(), "/dispatch/kernel",
                "einsum makes masks of equally many rows on every rank, and elastic shares may differ",
                "leave elastic out, or set kernel to \"permute\"");
}

std::string summary_of(const Dispatch& of) {
  if (of.gathers_tokens()) return "";
  if (of.all_to_all == AllToAllKind::node_limited) return "node-limited all-to-all";
  return of.all_to_all == AllToAllKind::flat ? "flat all-to-all" : "hierarchical all-to-all";
}

}  // namespace

const char* name_of(DispatchKind kind) { return kDispatchNames[static_cast<size_t>(kind)]; }
const char* name_of(AllToAllKind kind) { return kAllToAllNames[static_cast<size_t>(kind)]; }
const char* name_of(ExpertExchange exchange) { return kExchangeNames[static_cast<size_t>(exchange)]; }

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
      choice("exchange", &Dispatch::exchange, kExchangeNames,
             "whether rows travel to their experts' ranks, or ranks gather all tokens and sum what their experts add")
          .in_words("%")
          .in_summary("dispatch", "tokens gathered"),
      choice(
          "all_to_all", &Dispatch::all_to_all, kAllToAllNames,
          "whether rows travel straight to their rank, first inside the node and then between nodes, or to each node "
          "once per token and on inside it")
          .where(kRowsTravel)
          .always_in_words("%")
          .in_summary("dispatch", summary_of),
      integer("chunks", &Dispatch::chunks, kCount,
              "pieces of tokens into which dispatch, experts and combine of a layer are cut, to overlap")
          .where(kRowsTravel)
          .always_in_words("% chunk|% chunks")
          .in_summary("dispatch"),
      choice("kernel", &Dispatch::kernel, kKernelNames,
             "whether rows are moved to the order of experts by their index, or multiplied with one-hot masks")
          .where(kFixedRows)
          .in_words("rows by %")
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
  check_gathering(plan, check);
  check_einsum(plan, check);
  const std::vector<int64_t> sequences = local_sequences(plan);
  const int64_t tokens = *std::min_element(sequences.begin(), sequences.end()) * plan.workload.tokens_per_sequence();
  check.require(
      dispatch.chunks >= 1 && dispatch.chunks <= tokens, "/dispatch/chunks",
      std::to_string(dispatch.chunks) + " chunks of " + std::to_string(tokens) + " tokens per rank and microbatch",
      "choose 1 to " + std::to_string(tokens) + " chunks");
  const int per_node = plan.cluster.devices_per_node;
  check.require(
      dispatch.all_to_all == AllToAllKind::flat || (plan.layout.ep > per_node && plan.layout.ep % per_node == 0),
      "/dispatch/all_to_all",
      std::string(name_of(dispatch.all_to_all)) + " with ep " + std::to_string(plan.layout.ep) + " on nodes of " +
          std::to_string(per_node) + " devices",
      "choose an ep that is a multiple of the devices per node and spans two nodes or more, or flat");
  check.require(dispatch.all_to_all != AllToAllKind::node_limited || dispatch.kind == DispatchKind::ragged,
                "/dispatch/all_to_all",
                "node_limited with padded dispatch, whose rows are no token's where none fills them",
                "dispatch ragged, or choose flat or hierarchical_2d");
}

int nodes_reached_once(const Plan& plan) {
  const int per_node = plan.cluster.devices_per_node;
  const bool once = plan.dispatch.all_to_all == AllToAllKind::node_limited && plan.layout.ep > per_node;
  return once ? plan.layout.ep / per_node : 0;
}

}  // namespace moesaic
