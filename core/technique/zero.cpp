// ZeRO 1-3 (arXiv 1910.02054) with fused parameter groups and dense prefetch (SE-MoE sections 3.2.2 and 2.3).
#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "core/graph/edit.h"
#include "core/graph/operands.h"
#include "core/operators/activations.h"
#include "core/operators/collectives.h"
#include "core/operators/optimizer.h"
#include "core/schema/error.h"
#include "core/technique/parameter_groups.h"
#include "core/technique/technique.h"
#include "core/technique/weight_windows.h"

namespace moesaic {
namespace {

using operands::Add, operands::AdamW, operands::Clear, operands::Collective;

class Zero {
 public:
  Zero(TaskGraph& graph, const Plan& plan) : graph_(graph), stage_(plan.layout.zero), prefetch_(plan.prefetch.dense) {
    graph.groups = stage_ == 3 ? group_parameters(graph, plan.fused_parameter_bytes, false)
                               : group_parameters(graph, plan.gradient_bucket_bytes, true);
  }

  void run() {
    if (graph_.groups.empty()) return;
    for (size_t group = 0; group < graph_.groups.size(); ++group) lay_out(group);
    if (stage_ == 3) gather_weights(graph_, gradient_tasks(), prefetch_);
    reduce_gradients();
    if (stage_ == 2) hold_back();
    update_shares();
  }

 private:
  int64_t members(const ParameterGroup& group) const {
    return static_cast<int64_t>(graph_.group(group.communicator, 0).size());
  }
  int64_t share_elements(const ParameterGroup& group) const { return group.elements / members(group); }
  const Task& task_at(TaskIndex place) const { return graph_.tasks[place]; }
  Tensor& tensor(TensorId id) { return graph_.tensors[id]; }
  Parameter& parameter(int index) { return graph_.parameters[index]; }
  const Parameter& parameter(int index) const { return graph_.parameters[index]; }
  static std::string name(size_t group) { return "group " + std::to_string(group); }

  TensorId add(const std::string& tensor_name, TensorKind kind, DType dtype, int64_t elements) {
    return graph_.add({tensor_name, kind, dtype, Rows::fixed, 1, elements});
  }

  /// This rank's part of a stretch.
  TensorId share_of(TensorId base, const ParameterGroup& group) {
    Tensor view = tensor(base);
    view.name += " share";
    view.row_elements = share_elements(group);
    view.view_of = base;
    view.view_communicator = group.communicator;
    return graph_.add(std::move(view));
  }

  void make_views(const ParameterGroup& group, TensorId base, TensorId Parameter::*of) {
    for (size_t i = 0; i < group.parameters.size(); ++i) {
      Tensor& view = tensor(parameter(group.parameters[i]).*of);
      view.view_of = base;
      view.view_offset = group.offsets[i];
    }
  }

  /// A tensor that no task uses has no memory.
  void retire(const ParameterGroup& group, TensorId Parameter::*of) {
    for (int index : group.parameters) tensor(parameter(index).*of).kind = TensorKind::activation;
  }

  void lay_out(size_t number) {
    ParameterGroup& group = graph_.groups[number];
    const Parameter first = parameter(group.parameters[0]);
    const DType weights = tensor(first.weight).dtype, gradients = tensor(first.gradient).dtype;
    const int64_t states = tensor(first.moments).row_elements / first.elements;
    group.moments = add(name(number) + " moments share", TensorKind::optimizer, tensor(first.moments).dtype,
                        states * share_elements(group));
    retire(group, &Parameter::moments);
    group.shares_weights = stage_ == 3;
    if (stage_ == 3) {
      group.weight_share = add(name(number) + " weights share", TensorKind::parameter, weights, share_elements(group));
      retire(group, &Parameter::weight);
    } else {
      bases_[number] = add(name(number) + " weights", TensorKind::parameter, weights, group.elements);
      make_views(group, bases_[number], &Parameter::weight);
      group.weight_share = share_of(bases_[number], group);
    }
    if (stage_ == 1) {
      gradients_[number] = add(name(number) + " gradients", TensorKind::gradient, gradients, group.elements);
      make_views(group, gradients_[number], &Parameter::gradient);
      gradient_share_[number] = share_of(gradients_[number], group);
    } else {
      gradient_share_[number] =
          add(name(number) + " gradients share", TensorKind::gradient, gradients, share_elements(group));
    }
    for (size_t i = 0; i < group.parameters.size(); ++i)
      member_of_[parameter(group.parameters[i]).gradient] = {number, group.offsets[i]};
  }

  /// Tasks that later steps remove: reductions of single gradients and updates of single parameters.
  std::vector<bool> gradient_tasks() const {
    std::vector<bool> found;
    for (const Task& task : graph_.tasks) found.push_back(member_of_.contains(gradient_of(task)));
    return found;
  }

  Task collective(Op op, const std::string& label, const Task& beside, const ParameterGroup& group, TensorId from,
                  TensorId to) const {
    Task task;
    task.label = label;
    task.op = op;
    task.lane = Lane::network;
    task.phase = beside.phase;
    task.microbatch = beside.microbatch;
    task.stage = parameter(group.parameters[0]).stage;
    task.other_stage = parameter(group.parameters[0]).other_stage;
    task.communicator = group.communicator;
    task.bytes = bytes_of(graph_.tensors[from].dtype, share_elements(group));
    task.reads = in_places({{Collective::sent, from}});
    task.writes = in_places({{Collective::received, to}});
    return task;
  }

  Task elementwise(Op op, const std::string& label, const Task& beside, int64_t elements, NamedOperands reads,
                   NamedOperands writes) const {
    Task task;
    task.label = label;
    task.op = op;
    task.phase = beside.phase;
    task.microbatch = beside.microbatch;
    task.fixed_rows = elements;
    if (op == Op::add) task.shape.k = 1;
    task.reads = in_places(reads);
    task.writes = in_places(writes);
    task.dtype = graph_.tensors[output_of(task)].dtype;
    return task;
  }

  /// First and last task that writes gradients of a group; in stages 2 and 3 of a microbatch, whose sum is then added.
  struct Span {
    TaskIndex first = 0, last = 0;
  };
  using SpanKey = std::pair<size_t, int>;  // group, microbatch

  std::map<SpanKey, Span> gradient_spans(const std::vector<bool>& dropped) const {
    std::map<SpanKey, Span> spans;
    for (size_t i = 0; i < graph_.tasks.size(); ++i) {
      if (dropped[i]) continue;
      for (TensorId written : graph_.tasks[i].writes) {
        const auto member = member_of_.find(written);
        if (member == member_of_.end()) continue;
        const SpanKey key{member->second.first, stage_ == 1 ? 0 : graph_.tasks[i].microbatch};
        const auto place = TaskIndex(i);
        spans.try_emplace(key, Span{place, place}).first->second.last = place;
      }
    }
    return spans;
  }

  void reduce_gradients() {
    const std::vector<bool> dropped = gradient_tasks();
    const std::map<SpanKey, Span> spans = gradient_spans(dropped);
    GraphEdit edit(graph_);
    for (size_t i = 0; i < dropped.size(); ++i)
      if (dropped[i]) edit.remove(TaskIndex(i));
    std::map<std::pair<TensorId, int>, TensorId> view_in;  // (gradient, microbatch) -> view of the transient stretch
    for (const auto& [key, span] : spans) {
      const auto& [number, microbatch] = key;
      if (stage_ > 1) edit.before(span.first, open_gradients(number, microbatch, task_at(span.first), view_in));
      for (Task& task : close_gradients(number, microbatch, task_at(span.last)))
        edit.behind(span.last, std::move(task));
    }
    edit.apply([&](TaskIndex, Task& task) {
      for (std::vector<TensorId>* operands : {&task.reads, &task.writes})
        for (TensorId& operand : *operands)
          if (const auto view = view_in.find({operand, task.microbatch}); view != view_in.end()) operand = view->second;
    });
    if (stage_ > 1)
      for (const ParameterGroup& group : graph_.groups) retire(group, &Parameter::gradient);
  }

  std::string in_microbatch(const std::string& what, int microbatch) const {
    return (stage_ > 1 && several_microbatches() ? "microbatch " + std::to_string(microbatch) + " / " : "") +
           "backward / " + what;
  }
  bool several_microbatches() const {
    return std::any_of(graph_.tasks.begin(), graph_.tasks.end(), [](const Task& task) { return task.microbatch > 0; });
  }

  /// The stretch of gradients of one microbatch, cleared: the gradients of the group become views of it.
  Task open_gradients(size_t number, int microbatch, const Task& first,
                      std::map<std::pair<TensorId, int>, TensorId>& view_in) {
    const ParameterGroup& group = graph_.groups[number];
    const DType dtype = tensor(gradient_share_[number]).dtype;
    const TensorId base =
        add(name(number) + " gradients." + std::to_string(microbatch), TensorKind::activation, dtype, group.elements);
    gradients_[number] = base;
    for (size_t i = 0; i < group.parameters.size(); ++i) {
      const Parameter& member = parameter(group.parameters[i]);
      Tensor view = tensor(member.gradient);
      view.name += "." + std::to_string(microbatch);
      view.kind = TensorKind::activation;
      view.view_of = base;
      view.view_offset = group.offsets[i];
      view_in[{member.gradient, microbatch}] = graph_.add(std::move(view));
    }
    return elementwise(Op::clear, in_microbatch("clear gradients of " + name(number), microbatch), first,
                       group.elements, {}, {{Clear::x, base}});
  }

  /// Sums the stretch over the ranks; each keeps its share, which later microbatches are added to.
  std::vector<Task> close_gradients(size_t number, int microbatch, const Task& last) {
    const ParameterGroup& group = graph_.groups[number];
    const std::string label = in_microbatch("reduce " + name(number), microbatch);
    const TensorId share = gradient_share_[number], stretch = gradients_[number];
    const TensorId sum = microbatch == 0 ? share
                                         : add(name(number) + " summand." + std::to_string(microbatch),
                                               TensorKind::activation, tensor(share).dtype, share_elements(group));
    sums_.insert(sum);
    std::vector<Task> tasks = {collective(Op::reduce_scatter, label, last, group, stretch, sum)};
    if (microbatch > 0)
      tasks.push_back(elementwise(Op::add, label + " / accumulate", last, share_elements(group),
                                  {{Add::a, share}, {Add::b, sum}}, {{Add::sum, share}}));
    return tasks;
  }

  /// A rank that ran ahead into the forward of the next microbatch would keep whole gradients beside its activations
  /// until slower ranks arrive, in more memory than stage 1 takes. So rows of a microbatch move only when the gradients
  /// before it have been reduced; the last reduction stands for all, as the network takes them in order. In stage 3 the
  /// gathers of weights do this.
  void hold_back() {
    std::map<int, TensorId> reduced;      // by pipeline stage
    std::set<std::pair<int, int>> begun;  // pipeline stage, microbatch
    for (Task& task : graph_.tasks) {
      if (task.op == Op::reduce_scatter && sums_.contains(task.writes[Collective::received]))
        reduced[task.stage] = reduced[task.other_stage] = task.writes[Collective::received];
      const bool sends = task.op == Op::permute || task.op == Op::einsum_dispatch;
      if (!sends || task.phase != Phase::forward || !begun.emplace(task.stage, task.microbatch).second) continue;
      if (const auto last = reduced.find(task.stage); last != reduced.end()) task.after.push_back(last->second);
    }
  }

  void update_shares() {
    const Task* beside = &graph_.tasks.back();
    const auto found = std::find_if(graph_.tasks.begin(), graph_.tasks.end(),
                                    [](const Task& task) { return task.phase == Phase::update; });
    Task like = found == graph_.tasks.end() ? *beside : *found;
    like.phase = Phase::update;
    for (size_t number = 0; number < graph_.groups.size(); ++number) {
      const ParameterGroup& group = graph_.groups[number];
      Task update = elementwise(Op::adamw, "update / adamw " + name(number), like, share_elements(group),
                                {{AdamW::gradient, gradient_share_[number]}},
                                {{AdamW::weight, group.weight_share},
                                 {AdamW::moments, group.moments},
                                 {AdamW::cleared, stage_ == 1 ? gradients_[number] : gradient_share_[number]}});
      update.stage = parameter(group.parameters[0]).stage;
      update.other_stage = parameter(group.parameters[0]).other_stage;
      graph_.tasks.push_back(std::move(update));
      if (stage_ < 3)
        graph_.tasks.push_back(collective(Op::all_gather, "update / gather " + name(number), like, group,
                                          group.weight_share, bases_[number]));
    }
  }

  TaskGraph& graph_;
  const int stage_, prefetch_;
  std::map<size_t, TensorId> bases_, gradients_, gradient_share_;  // by group
  std::map<TensorId, std::pair<size_t, int64_t>> member_of_;       // gradient -> group, offset
  std::set<TensorId> sums_;                                        // what reductions of gradients write
};

}  // namespace

void zero(TaskGraph& graph, const Plan& plan) {
  if (plan.layout.zero > 0) Zero(graph, plan).run();
}

}  // namespace moesaic
