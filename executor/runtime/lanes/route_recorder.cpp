#include "executor/runtime/lanes/route_recorder.h"

#include <algorithm>
#include <cmath>

#include "core/routing/routing_rules.h"

namespace moesaic::executor {
namespace {

/// Of the tokens that a router sees, where several sources' are gathered one after the other.
int64_t first_own_token(const TaskGraph& graph, const Plan& plan, int rank) {
  if (graph.gathered_sources == 1) return 0;
  const RoutingRules rules(plan);
  return rules.position(rank) / rules.token_copies * graph.tokens_per_rank;
}

/// A run that diverges goes on, skipping steps, and its document holds numbers alone.
float finite_or_zero(float weight) { return std::isfinite(weight) ? weight : 0; }

}  // namespace

RouteRecorder::RouteRecorder(Backend& backend, const TaskGraph& graph, const Plan& plan, int rank, RoutingForm form)
    : backend_(backend),
      form_(form),
      layers_(static_cast<int64_t>(graph.placement.size())),
      micro_batches_(plan.layout.micro_batches),
      choices_(graph.tokens_per_rank * plan.model.top_k),
      all_choices_(graph.routed_tokens() * plan.model.top_k),
      first_choice_(first_own_token(graph, plan, rank) * plan.model.top_k) {}

bool RouteRecorder::records(const Task& task) const { return form_ >= RoutingForm::choices && task.op == Op::router; }

/// A route begins with the experts of all choices, then their weights (executor/launch/route.h), 4 bytes each.
HostMemory RouteRecorder::copied(Lane lane, const Operand& route, int64_t first) const {
  HostMemory memory(backend_, choices_ * 4);
  backend_.copy(lane, memory.data(), route.i32() + first, choices_ * 4);
  return memory;
}

void RouteRecorder::fetch(const Task& task, const Operand& route) {
  Fetched fetched{(task.microbatch * layers_ + task.moe_layer) * choices_, copied(task.lane, route, first_choice_), {}};
  if (form_ == RoutingForm::choices_with_scores)
    fetched.weights = copied(task.lane, route, all_choices_ + first_choice_);
  fetched_.push_back(std::move(fetched));
}

StepChoices RouteRecorder::take() {
  StepChoices step;
  if (form_ < RoutingForm::choices) return step;
  step.experts.assign(static_cast<size_t>(micro_batches_ * layers_ * choices_), StepChoices::kElsewhere);
  if (form_ == RoutingForm::choices_with_scores) step.weights.assign(step.experts.size(), 0);
  for (const Fetched& fetched : fetched_) {
    std::copy_n(fetched.experts.as<int32_t>(), choices_, step.experts.begin() + fetched.first);
    if (fetched.weights)
      std::transform(fetched.weights->as<float>(), fetched.weights->as<float>() + choices_,
                     step.weights.begin() + fetched.first, finite_or_zero);
  }
  fetched_.clear();
  return step;
}

}  // namespace moesaic::executor
