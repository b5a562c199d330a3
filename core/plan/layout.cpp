#include "core/plan/layout.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/plan/decision_field.h"
#include "core/plan/plan.h"
#include "core/plan/plan_checker.h"

namespace moesaic {
namespace {

constexpr const char* kRecomputeNames[] = {"none", "full", "communication_aware"};
constexpr const char* kGroupTokensNames[] = {"split", "replicated"};
constexpr IntegerRange kParts{1, 1 << 16};

void check_ranks(const Plan& plan, const PlanChecker& check) {
  const Layout& layout = plan.layout;
  check.require(layout.ranks >= 1 && layout.ep >= 1 && layout.micro_batches >= 1, "/layout", "has a dimension below 1",
                "give ranks, ep and micro_batches of at least 1");
  check.require(layout.ranks <= plan.cluster.num_devices(), "/layout/ranks",
                std::to_string(layout.ranks) + " ranks on a cluster of " + std::to_string(plan.cluster.num_devices()) +
                    " devices",
                "plan for at most one rank per device");
  check.require(layout.pp >= 1 && layout.ranks % layout.pp == 0, "/layout/pp",
                std::to_string(layout.pp) + " stages of " + std::to_string(layout.ranks) + " ranks",
                "choose a pp that divides the ranks");
  const std::string of = layout.pp > 1 ? " ranks of a stage" : " ranks";
  check.require(layout.stage_ranks() % layout.ep == 0, "/layout/ep",
                "ep " + std::to_string(layout.ep) + " does not divide " + std::to_string(layout.stage_ranks()) + of,
                "choose an ep that divides the" + of);
  const int64_t parts = int64_t{layout.token_holders()} * layout.micro_batches;
  check.require(plan.elastic.present() || plan.workload.global_batch % parts == 0, "/layout",
                "a global batch of " + std::to_string(plan.workload.global_batch) + " does not split over " +
                    std::to_string(layout.token_holders()) + (layout.token_copies() > 1 ? " groups of ranks" : of) +
                    " and " + std::to_string(layout.micro_batches) +
                    (layout.micro_batches == 1 ? " microbatch" : " microbatches"),
                "choose a global_batch that is a multiple of " + std::to_string(parts));
}

void check_zero(const Plan& plan, const PlanChecker& check) {
  const int zero = plan.layout.zero;
  check.require(zero >= 0 && zero <= 3, "/layout/zero", "is " + std::to_string(zero), "choose ZeRO stage 0, 1, 2 or 3");
}

void check_pipeline(const Plan& plan, const PlanChecker& check) {
  const int pp = plan.layout.pp;
  if (pp == 1) return;
  const auto alone = [&](bool condition, const std::string& problem, const std::string& remedy) {
    check.require(condition, "/layout/pp", problem, "set pp to 1, or " + remedy);
  };
  alone(plan.model.num_layers >= pp,
        std::to_string(pp) + " stages for " + std::to_string(plan.model.num_layers) + " layers",
        "choose a pp of at most the layers");
  alone(plan.layout.zero <= 1,
        "keeps gradients over several microbatches, and ZeRO stage " + std::to_string(plan.layout.zero) +
            " would exchange them for each",
        "zero to 0 or 1");
  alone(plan.embedding == Embedding::replicated,
        "gives the embedding to the first stage, and its columns are spread over all ranks",
        "embedding to \"replicated\"");
  alone(!plan.elastic.present(), "gives every stage the same shares of the batch, and elastic shares belong to ranks",
        "leave elastic out");
  alone(plan.expert_storage.home == Tier::device,
        "keeps each stage's experts on its devices; tiers below serve all layers of a rank",
        "expert_storage.home to \"device\"");
}

/// Ranks that see the same tokens may compute the same keys and values; gradients of shared heads would count twice.
bool shares_kv_heads(const Plan& plan) {
  return plan.workload.phase != WorkloadPhase::training && plan.layout.token_copies() > plan.model.num_kv_heads &&
         plan.layout.tp % plan.model.num_kv_heads == 0;
}

void check_tensor_parallelism(const Plan& plan, const PlanChecker& check) {
  const int tp = plan.layout.tp;
  const Model& model = plan.model;
  const auto divides = [&](int64_t whole, const std::string& what) {
    check.require(tp >= 1 && whole % tp == 0, "/layout/tp",
                  "tp " + std::to_string(tp) + " does not divide " + std::to_string(whole) + " " + what,
                  "choose a tp that divides ranks, devices per node, heads, key-value heads and the dense FFN's width");
  };
  divides(plan.layout.stage_ranks(), plan.layout.pp > 1 ? "ranks of a stage" : "ranks");
  if (plan.layout.token_copies() == 1 || tp % plan.cluster.devices_per_node != 0)
    divides(plan.cluster.devices_per_node, "devices per node");
  divides(model.num_heads, "heads");
  if (shares_kv_heads(plan))
    check.require(!model.qk_norm_whole, "/layout/tp",
                  "tp " + std::to_string(tp) + " shares " + std::to_string(model.num_kv_heads) +
                      " key-value heads, which the norm of the model takes together",
                  "choose a tp of at most the key-value heads");
  else
    divides(model.num_kv_heads, "key-value heads");
  if (model.num_moe_layers() < model.num_layers) divides(model.dense_intermediate, "columns of the dense FFN");
  check.require(tp == 1 || !plan.elastic.present(), "/layout/tp",
                "gathers equally many tokens of each rank, and elastic shares may differ", "set tp to 1");
}

/// An all-to-all would send every copy of a token.
void check_group_tokens(const Plan& plan, const PlanChecker& check) {
  const Layout& layout = plan.layout;
  if (layout.tp_tokens == GroupTokens::split) return;
  const auto only = [&](bool condition, const std::string& problem, const std::string& remedy) {
    check.require(condition, "/layout/tp_tokens", "replicated " + problem, remedy + ", or set tp_tokens to split");
  };
  only(layout.tp > 1, "says what a tensor-parallel group has, and tp is 1", "choose a tp above 1");
  only(plan.dispatch.gathers_tokens() && layout.ep % std::max(1, layout.tp) == 0,
       "tokens reach experts without an all-to-all, in groups of whole tensor-parallel groups",
       "set dispatch.exchange to all_gather and ep to a multiple of tp");
  only(plan.embedding == Embedding::replicated, "tokens would be looked up several times in a table cut by columns",
       "set embedding to \"replicated\"");
  only(plan.model.shared_intermediate % std::max(1, layout.tp) == 0,
       "cuts shared experts of width " + std::to_string(plan.model.shared_intermediate) + " over tp " +
           std::to_string(layout.tp),
       "choose a tp that divides the width");
}

void check_expert_slices(const Plan& plan, const PlanChecker& check) {
  const int slices = plan.layout.expert_slices;
  check.require(
      slices >= 1 && plan.model.expert_intermediate % slices == 0, "/layout/expert_slices",
      std::to_string(slices) + " slices of an expert of width " + std::to_string(plan.model.expert_intermediate),
      "choose a number of slices that divides expert_intermediate");
  constexpr int64_t kMostSlots = 1 << 16;  // what a placement can name
  check.require(slices == 1 || plan.model.num_experts <= kMostSlots / slices, "/layout/expert_slices",
                std::to_string(slices) + " slices of each of " + std::to_string(plan.model.num_experts) + " experts",
                "choose at most " + std::to_string(kMostSlots) + " slices in all");
  check.require(slices == 1 || !plan.model.routed_by_task, "/layout/expert_slices",
                "sends each token to several slots, and the model routes by task", "set expert_slices to 1");
}

}  // namespace

const char* name_of(Recompute recompute) { return kRecomputeNames[static_cast<size_t>(recompute)]; }
const char* name_of(GroupTokens tokens) { return kGroupTokensNames[static_cast<size_t>(tokens)]; }

template <>
const FieldTable<Layout>& fields_of<Layout>() {
  static const FieldTable<Layout> fields = {
      integer("ranks", &Layout::ranks, kCount, "ranks of the whole job, at most one per device")
          .is_required()
          .not_in_presets()
          .always_in_words("% rank|% ranks")
          .in_summary("layout"),
      integer("ep", &Layout::ep, kCount, "consecutive ranks that together hold every expert once")
          .is_required()
          .always_in_words("ep %")
          .in_summary("layout"),
      integer("micro_batches", &Layout::micro_batches, kCount, "parts of a step's batch that pass one after the other")
          .always_in_words("% microbatch|% microbatches")
          .in_summary("layout"),
      integer("zero", &Layout::zero, {0, 3},
              "ZeRO stage of dense states: 1 divides optimizer states among ranks, 2 gradients too, 3 weights too")
          .in_training("divides training states")
          .in_words("ZeRO-%")
          .in_summary("dense states"),
      integer("pp", &Layout::pp, kParts, "pipeline stages: a stretch of layers on as many consecutive ranks each")
          .in_training("pipelines forward and backward passes")
          .in_words("% stage|% stages")
          .in_summary("layout", "% pipeline stages"),
      integer("tp", &Layout::tp, kParts,
              "consecutive ranks of a node that cut attention and dense FFN among themselves")
          .in_words("tp %")
          .in_summary("layout"),
      choice("tp_tokens", &Layout::tp_tokens, kGroupTokensNames,
             "whether ranks of a tensor-parallel group have tokens of their own around attention, or all the same")
          .in_words("% tokens")
          .in_summary("layout", "tokens replicated"),
      integer("expert_slices", &Layout::expert_slices, kParts,
              "parts of every expert's intermediate width, placed like experts of their own")
          .in_words("% slice per expert|% slices per expert")
          .in_summary("layout"),
      choice("recompute", &Layout::recompute, kRecomputeNames,
             "what backward computes again: nothing, whole layers, or all but what collectives brought")
          .in_training("runs layers again for their backward pass")
          .in_words("recompute")
          .in_summary("layout", "layers recomputed"),
  };
  return fields;
}

void check_layout(const Plan& plan, const PlanChecker& check) {
  check_ranks(plan, check);
  check_zero(plan, check);
  check_pipeline(plan, check);
}

void check_cuts(const Plan& plan, const PlanChecker& check) {
  check_tensor_parallelism(plan, check);
  check_group_tokens(plan, check);
  check_expert_slices(plan, check);
}

}  // namespace moesaic
