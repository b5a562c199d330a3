#include "core/technique/lower.h"

#include <utility>

#include "core/graph/ledger.h"
#include "core/graph/verify.h"
#include "core/steps/baseline_step.h"
#include "core/technique/technique.h"

namespace moesaic {
namespace {

struct Pass {
  const char* name;
  void (*rewrite)(TaskGraph&, const Plan&);
  PassLicence licence = {};  // what it may change of what the verifier holds constant
};

// Order matters: what runs again is cut and gathers its weights like all else; chunks multiply the all-to-alls that the
// hierarchy then rewrites, before the embedding adds its own; ZeRO takes the gradient reductions that several ranks
// share and leaves no bucket to fill where it is on. Replicas exchange gradients where these have come to stand: per
// microbatch where they leave for elsewhere per microbatch. What updates there are then wait for one another's
// gradients, which are copied last of all: ranks agree on what was summed.
constexpr Pass kPasses[] = {
    {"recompute", recompute, {.repeats_forward = true}},
    {"chunk_moe_layers", chunk_moe_layers},
    {"hierarchical_all_to_all", hierarchical_all_to_all},
    {"node_limited_all_to_all", node_limited_all_to_all},
    {"embedding_partition", embedding_partition},
    {"expert_offload", expert_offload},
    {"zero", zero},
    {"gradient_buckets", gradient_buckets},
    {"replica_gradients", replica_gradients},
    {"reduce_after_backward", reduce_after_backward},
    {"agree_on_update", agree_on_update},
    {"separate_optimizer_passes", separate_optimizer_passes},
};

}  // namespace

TaskGraph lower(const Plan& plan) {
  TaskGraph graph = baseline_step(plan);
  verify(graph, "baseline");
  Ledger before(graph);
  for (const Pass& pass : kPasses) {
    pass.rewrite(graph, plan);
    verify(graph, pass.name);
    Ledger behind(graph);
    before.check_conserved_by(pass.name, behind, pass.licence);
    before = std::move(behind);
  }
  link_dependencies(graph);
  verify(graph, "link_dependencies");
  return graph;
}

TaskGraph lower_unverified(const Plan& plan) {
  TaskGraph graph = baseline_step(plan);
  for (const Pass& pass : kPasses) pass.rewrite(graph, plan);
  link_dependencies(graph);
  return graph;
}

}  // namespace moesaic
