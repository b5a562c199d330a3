#pragma once
// One all-to-all of a plan's graph on one rank, alone: dispatch and combine of the first MoE layer, flat or
// hierarchical as the plan says, with the tasks and code that a step runs. It knows no router and no experts; rows per
// slot are given.

#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "executor/backend/backend.h"
#include "executor/runtime/lanes/collectives.h"

namespace moesaic::executor {

class Exchange {
 public:
  /// `graph`: lowered from `plan`, in one chunk. `counts`: rows of this rank's expert-parallel group. All arguments but
  /// `counts` must outlive the exchange. All ranks of a job make theirs together.
  Exchange(const TaskGraph& graph, const Plan& plan, SlotCounts counts, int rank, Backend& backend,
           Transport& transport);
  ~Exchange();
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  Operand sent() const { return dispatch_.front().from; }    // rows in the order of their slots
  Operand arrived() const { return dispatch_.back().to; }    // rows in the order of [source][slot]
  Operand leaving() const { return combine_.front().from; }  // the same order
  Operand returned() const { return combine_.back().to; }    // the order of sent()

  /// Each is collective. `idle` is called between polls.
  void dispatch(const std::function<void()>& idle) { run(dispatch_, idle); }
  void combine(const std::function<void()>& idle) { run(combine_, idle); }

  Communicator& control() { return collectives_.control(); }

 private:
  struct Step {
    const Task* task = nullptr;
    Operand from, to;
  };
  std::vector<Step> steps_of(Leg leg);
  Operand operand(TensorId tensor);
  void run(const std::vector<Step>& steps, const std::function<void()>& idle);

  Backend& backend_;
  StepContext context_;
  std::vector<SlotCounts> counts_;  // [1 chunk]
  std::map<TensorId, Operand> operands_;
  Collectives collectives_;
  std::vector<Step> dispatch_, combine_;
};

/// The tasks of the first MoE layer's forward exchange on `leg` (dispatch or combine), in program order.
std::vector<const Task*> exchange_tasks(const TaskGraph& graph, Leg leg);

}  // namespace moesaic::executor
