// Gradients of experts that hold several slots, summed over these (Prophet, CLUSTER'23; FasterMoE; EPLB's placements).
#include <algorithm>
#include <map>

#include "core/graph/edit.h"
#include "core/graph/operands.h"
#include "core/operators/collectives.h"
#include "core/operators/experts.h"
#include "core/operators/optimizer.h"
#include "core/technique/technique.h"

namespace moesaic {
namespace {

using operands::Collective, operands::ExpertsWgrad, operands::GatherReplicas, operands::SpreadReplicas;

class ReplicaGradients {
 public:
  explicit ReplicaGradients(TaskGraph& graph) : graph_(graph), edit_(graph) {
    for (const ExpertPlacement& placement : graph.placement) {
      const std::vector<int> round_of_slot = replica_rounds(placement);
      const int rounds = *std::max_element(round_of_slot.begin(), round_of_slot.end()) + 1;
      std::vector<int>& meets_in = communicators_.emplace_back();
      for (int round = 0; round < rounds; ++round) meets_in.push_back(family_of(placement, round_of_slot, round));
    }
  }

  /// A gradient that several microbatches add to is complete behind the last one.
  void run() {
    std::map<TensorId, TaskIndex> last_writer;
    for (TaskIndex i = 0; i < graph_.tasks.next(); ++i)
      if (graph_.tasks[i].op == Op::experts_wgrad) last_writer[graph_.tasks[i].writes[ExpertsWgrad::d_up]] = i;
    for (const auto& [gradient, place] : last_writer) exchange_behind(place);
    edit_.apply();
  }

 private:
  /// The family in which ranks of a stage meet that hold the same expert in this round; one with these groups may
  /// exist.
  int family_of(const ExpertPlacement& placement, const std::vector<int>& round_of_slot, int round) {
    CommunicatorFamily family{"replicas " + std::to_string(graph_.communicators.size()), {}, {}};
    std::map<std::pair<int, int>, int> group_of;  // (stage, expert), or (-1, rank) of a rank that takes no part
    const int ep = graph_.find_communicator("ep");
    for (int rank = 0; rank < graph_.num_ranks; ++rank) {
      std::pair<int, int> key{-1, rank};
      const int first = graph_.position(ep, rank) * placement.slots_per_rank;
      for (int slot = first; slot < first + placement.slots_per_rank; ++slot)
        if (round_of_slot[static_cast<size_t>(slot)] == round)
          key = {graph_.stage_of(rank), placement.slot_to_expert[static_cast<size_t>(slot)]};
      const auto [entry, fresh] = group_of.try_emplace(key, static_cast<int>(family.groups.size()));
      if (fresh) family.groups.emplace_back();
      family.groups[entry->second].push_back(rank);
      family.group_of_rank.push_back(entry->second);
    }
    for (size_t i = 0; i < graph_.communicators.size(); ++i)
      if (graph_.communicators[i].groups == family.groups) return static_cast<int>(i);
    graph_.communicators.push_back(std::move(family));
    return static_cast<int>(graph_.communicators.size()) - 1;
  }

  int64_t slot_elements(int moe_layer) const {
    int64_t elements = 0;
    for (const Parameter& p : graph_.parameters)
      if (p.moe_layer == moe_layer) elements += p.slot_elements;
    return elements;
  }

  void exchange_behind(TaskIndex place) {
    const Task wgrad = graph_.tasks[place];
    const std::vector<int>& communicators = communicators_[wgrad.moe_layer];
    if (communicators.empty()) return;
    const TensorId up = wgrad.writes[ExpertsWgrad::d_up], down = wgrad.writes[ExpertsWgrad::d_down];
    Task gather = beside(wgrad, Op::gather_replicas, "gather gradients of replicas");
    gather.reads = in_places({{GatherReplicas::d_up, up}, {GatherReplicas::d_down, down}});
    Task spread = beside(wgrad, Op::spread_replicas, "spread gradients of replicas");
    spread.reads = in_places({{SpreadReplicas::d_up, up}, {SpreadReplicas::d_down, down}});
    spread.writes = in_places({{SpreadReplicas::up, up}, {SpreadReplicas::down, down}});
    std::vector<Task> reductions;
    for (size_t round = 0; round < communicators.size(); ++round) {
      const TensorId sum = graph_.add({"layers." + std::to_string(wgrad.layer) + ".replicas." + std::to_string(round) +
                                           ".gradient." + std::to_string(wgrad.microbatch),
                                       TensorKind::activation, gather.dtype, Rows::fixed, 1, gather.shape.k,
                                       wgrad.moe_layer, wgrad.microbatch});
      gather.writes.push_back(sum);
      spread.reads.push_back(sum);
      reductions.push_back(reduction(wgrad, round, communicators[round], sum));
    }
    edit_.behind(place, std::move(gather));
    for (Task& task : reductions) edit_.behind(place, std::move(task));
    edit_.behind(place, std::move(spread));
  }

  /// A task of the same pass.
  Task beside(const Task& wgrad, Op op, const std::string& what) const {
    Task task;
    task.label = wgrad.label.substr(0, wgrad.label.rfind(" / ") + 3) + what;
    task.op = op;
    task.phase = wgrad.phase;
    task.layer = wgrad.layer;
    task.moe_layer = wgrad.moe_layer;
    task.microbatch = wgrad.microbatch;
    task.stage = wgrad.stage;
    task.dtype = graph_.tensors[wgrad.writes[ExpertsWgrad::d_up]].dtype;
    task.shape.k = slot_elements(wgrad.moe_layer);
    task.fixed_rows = std::ssize(communicators_[wgrad.moe_layer]);
    return task;
  }

  Task reduction(const Task& wgrad, size_t round, int communicator, TensorId sum) const {
    Task task = beside(wgrad, Op::all_reduce, "reduce gradients of replicas " + std::to_string(round));
    task.lane = Lane::network;
    task.communicator = communicator;
    task.bytes = bytes_of(task.dtype, task.shape.k);
    task.shape = {};
    task.fixed_rows = 0;
    task.dtype = DType::f32;
    task.reads = in_places({{Collective::sent, sum}});
    task.writes = in_places({{Collective::received, sum}});
    return task;
  }

  TaskGraph& graph_;
  GraphEdit edit_;
  Table<int, std::vector<int>> communicators_;  // [num_moe_layers][rounds]
};

}  // namespace

void replica_gradients(TaskGraph& graph, const Plan& plan) {
  const bool trains = plan.workload.phase == WorkloadPhase::training, places = !plan.model.routed_by_task;
  if (trains && places && !plan.placement.empty()) ReplicaGradients(graph).run();
}

}  // namespace moesaic
