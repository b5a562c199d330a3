#pragma once
// A plan: its choices, together with the documents that they were made for and what planning found out. It travels
// alone: it embeds what it needs.

#include <cstdint>
#include <string>
#include <vector>

#include "core/plan/buckets.h"
#include "core/plan/dispatch.h"
#include "core/plan/elastic.h"
#include "core/plan/embedding.h"
#include "core/plan/expert_storage.h"
#include "core/plan/layout.h"
#include "core/plan/optimizer_step.h"
#include "core/plan/outcome.h"
#include "core/plan/placement.h"
#include "core/plan/prefetch.h"
#include "core/schema/cluster.h"
#include "core/schema/model.h"
#include "core/schema/profile.h"
#include "core/schema/routing.h"
#include "core/schema/workload.h"

namespace moesaic {

/// All that is decided, one decision per file. A decision with an object of its own in the document is a member, one
/// whose keys stand in the document itself is a base. choice_fields.h lists the fields of all.
struct PlanChoices : Buckets, OptimizerStep, EmbeddingTable, Placement, ElasticShares {
  Layout layout;
  Dispatch dispatch;
  Prefetch prefetch;
  ExpertStorage expert_storage;
  bool operator==(const PlanChoices&) const = default;
};

struct Plan : PlanChoices {
  std::string name;
  Model model;
  Cluster cluster;
  Workload workload;
  RoutingDocument routing;
  Profile profile;
  Prediction prediction;
  std::vector<Decision> decisions;  // what lost against the choices
  uint64_t seed = 0;
  int64_t evaluations = 0;
  bool interrupted = false;
  bool operator==(const Plan&) const = default;
};

/// Refuses a plan that cannot be lowered: divisibility of experts, batch and ranks, placements that miss an expert,
/// unknown combinations. `file` names the document in the error.
void check_plan(const Plan& plan, const std::string& file);

}  // namespace moesaic
