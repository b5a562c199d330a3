#pragma once
// The decisions of the planner, together with the documents that they were made for. A plan travels alone: it embeds
// what it needs.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/plan/elastic.h"
#include "core/schema/cluster.h"
#include "core/schema/model.h"
#include "core/schema/profile.h"
#include "core/schema/routing.h"
#include "core/schema/workload.h"

namespace moesaic {

/// What backward finds of a layer's forward: everything; the layer's input; its input and what collectives brought.
enum class Recompute { none, full, communication_aware };

/// How ranks share the work. Data parallelism spans all ranks of a pipeline stage for dense parameters; experts are
/// spread over groups of `ep` consecutive ranks of a stage.
struct Layout {
  int ranks = 1;
  int ep = 1;             // ranks that together hold every expert once; divides ranks
  int micro_batches = 1;  // per step
  int zero = 0;           // ZeRO stage: 1 divides optimizer states, 2 gradients too, 3 weights too
  int tp = 1;             // consecutive ranks that cut attention and dense FFN among themselves; each has own tokens
  int expert_slices = 1;  // parts of every expert's intermediate width, placed like experts of their own
  Recompute recompute = Recompute::none;
  int pp = 1;  // pipeline stages: equally many consecutive ranks each, a stretch of layers on each
  int stage_ranks() const { return ranks / pp; }  // of one pipeline stage, among which the batch is split
  bool operator==(const Layout&) const = default;
};

enum class DispatchKind { ragged, padded };
enum class AllToAllKind { flat, hierarchical_2d };

struct Dispatch {
  DispatchKind kind = DispatchKind::ragged;
  double capacity_factor =
      0;  // 0: dropless. Rows per (source, expert) = ceil(capacity_factor * tokens * top_k / num_experts)
  AllToAllKind all_to_all = AllToAllKind::flat;
  int chunks = 1;  // dispatch, experts and combine of a layer are cut into this many pieces of tokens
  bool operator==(const Dispatch&) const = default;
};

/// How far ahead of its use data is fetched.
struct Prefetch {
  int dense = 0;    // layers: all-gathers of dense weights (ZeRO-3)
  int experts = 0;  // MoE layers: expert weights from storage and host memory to the device
  bool operator==(const Prefetch&) const = default;
};

enum class Tier { device, host, storage };

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

constexpr int kNoExpert = -1;  // a slot that is left empty
/// Who holds the embedding table: every rank all of it, or each of the ranks an equal part of its columns (SE-MoE
/// section 4.3).
enum class Embedding { replicated, column_partition };

/// slot_to_expert: [ep * slots_per_rank], the logical expert in each physical slot of one expert-parallel group; with
/// expert_slices, e * expert_slices + i for slice i of expert e.
struct ExpertPlacement {
  int slots_per_rank = 0;
  std::vector<int> slot_to_expert;
  bool operator==(const ExpertPlacement&) const = default;
};

/// What the planner promises; zero where it has not been evaluated.
struct Prediction {
  Seconds step_seconds = 0;
  double tokens_per_second = 0;
  Seconds lower_bound_seconds = 0;  // of any plan of this layout; 0: none is known
  double gap = 0;                   // step_seconds / lower_bound_seconds - 1
  Seconds exposed_communication_seconds = 0;
  Seconds bubble_seconds = 0;               // in which a rank only waits for another pipeline stage, mean over ranks
  Seconds exposed_transfer_seconds = 0;     // in which only copies between tiers run, mean over ranks
  std::map<std::string, Bytes> peak_bytes;  // by tier: "device", "host", "storage"
  int64_t tasks = 0;
  std::string made_for;  // hash of the decisions and documents (predicted.h); "": not said
  bool operator==(const Prediction&) const = default;
};

/// One decision and the alternatives that lost, for `moesaic explain`.
struct Alternative {
  std::string choice;
  Seconds step_seconds = 0;
  std::string reason;  // why infeasible; empty when it was only slower
  bool operator==(const Alternative&) const = default;
};
struct Decision {
  std::string what;
  std::string choice;
  std::vector<Alternative> runners_up;
  bool operator==(const Decision&) const = default;
};

struct Plan {
  std::string name;
  Layout layout;
  Dispatch dispatch;
  Bytes gradient_bucket_bytes = 0;  // 0: one collective per parameter tensor
  Bytes fused_parameter_bytes = 0;  // ZeRO-3: largest group that one all-gather carries; 0: each parameter alone
  Prefetch prefetch;
  ExpertStorage expert_storage;
  Embedding embedding = Embedding::replicated;
  std::vector<ExpertPlacement> placement;  // [num_moe_layers]; empty: contiguous in every layer
  Elastic elastic;
  Model model;
  Cluster cluster;
  Workload workload;
  RoutingDocument routing;
  Profile profile;
  Prediction prediction;
  std::vector<Decision> decisions;
  uint64_t seed = 0;
  int64_t evaluations = 0;
  bool interrupted = false;
  bool operator==(const Plan&) const = default;
};

/// What placement counts: experts, or their slices.
inline int64_t num_placed_experts(const Plan& plan) { return plan.model.num_experts * plan.layout.expert_slices; }

/// Contiguous placement: expert e in slot e. Requires num_experts % ep == 0.
ExpertPlacement contiguous_placement(int num_experts, int ep);

/// Refuses a plan that cannot be lowered: divisibility of experts, batch and ranks, placements that miss an expert,
/// unknown combinations. `file` names the document in the error.
void check_plan(const Plan& plan, const std::string& file);

}  // namespace moesaic
