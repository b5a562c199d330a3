#include "planner/prices/step_sample.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>

#include "core/graph/memory.h"
#include "core/operators/collectives.h"
#include "planner/prices/probes.h"

namespace moesaic::planner {
namespace {

/// A place of a step of few layers: -1 before them, [layers] in one, the number of layers behind them.
using Position = std::optional<int>;

bool is_gradient_sum(const TaskGraph& graph, const Task& task) {
  if (task.phase != Phase::backward || (task.op != Op::all_reduce && task.op != Op::reduce_scatter)) return false;
  const std::string& family = graph.communicators[task.communicator].name;
  return family == "world" || family == "stage" || family == "dp" || family == "expert_dp";
}

/// Where tasks and tensors of a graph belong: what touches a tensor of a layer belongs to the layer.
class Positions {
 public:
  explicit Positions(const TaskGraph& graph)
      : graph_(graph), of_task(graph.tasks.size()), of_tensor(graph.tensors.size()) {
    for (const Task& task : graph.tasks) num_layers_ = std::max(num_layers_, task.layer + 1);
    for (size_t i = 0; i < of_tensor.size(); ++i) of_tensor[i] = layer_in_name(graph.tensors[i]);
    each([&](size_t i) { return layer_of(i); });
    each([&](size_t i) { return layer_of_operands(i); });
    each([&](size_t i) { return by_order(i); });
  }

 private:
  /// What still has no position takes the one that it is given; tensors that of the first task that has one.
  void each(const auto& position) {
    for (size_t i = 0; i < graph_.tasks.size(); ++i) {
      if (!of_task[i]) of_task[i] = position(i);
      if (!of_task[i]) continue;
      for (const auto* operands : {&graph_.tasks[i].reads, &graph_.tasks[i].writes})
        for (const TensorId operand : *operands)
          if (Position& of = of_tensor[graph_.base_of(operand)]; !of) of = of_task[i];
    }
  }
  /// Some residents stand for memory that no task names.
  static Position layer_in_name(const Tensor& tensor) {
    int layer = 0;
    return std::sscanf(tensor.name.c_str(), "layers.%d.", &layer) == 1 ? Position(layer) : std::nullopt;
  }
  Position layer_of(size_t i) const {
    return graph_.tasks[i].layer >= 0 ? Position(graph_.tasks[i].layer) : std::nullopt;
  }
  /// Of what techniques add for parameters: reductions, gathers, updates, and what clears and sums for these.
  Position layer_of_operands(size_t i) const {
    const Task& task = graph_.tasks[i];
    if (!is_collective(task.op) && family_of(task.op) != Family::optimizer && task.op != Op::add) return {};
    for (const auto* operands : {&task.writes, &task.reads})
      for (const TensorId operand : *operands)
        if (const TensorId base = graph_.base_of(operand);
            of_tensor[base] && (graph_.tensors[base].kind != TensorKind::activation || is_gradient_sum(graph_, task)))
          return of_tensor[base];
    return {};
  }
  /// Forward and backward: behind the first layer's tasks and before the last one's.
  Position by_order(size_t i) {
    const Task& task = graph_.tasks[i];
    if (task.phase == Phase::update) return layer_of_operands(i).value_or(num_layers_);
    bool layer_came = false;
    for (size_t before = i; before-- > 0 && !layer_came;)
      layer_came = graph_.tasks[before].phase == task.phase && graph_.tasks[before].layer >= 0;
    const bool is_before = task.phase == Phase::forward ? !layer_came : layer_came;
    return is_before ? -1 : num_layers_;
  }

  const TaskGraph& graph_;
  int num_layers_ = 0;

 public:
  OfTasks<Position> of_task;
  OfTensors<Position> of_tensor;  // bases
};

Part part_of(const TaskGraph& graph, const Task& task) {
  if (task.phase == Phase::update) return Part::update;
  if (is_gradient_sum(graph, task)) return Part::reduction;
  return task.phase == Phase::forward ? Part::forward : Part::backward;
}

/// Weight gradients sum over all rows at once.
bool goes_in_pieces(const Task& task) {
  const bool is_routed = task.rows != Rows::fixed && task.rows != Rows::local && !is_window(task.rows);
  return is_routed && task.moe_layer >= 0 && task.op != Op::experts_wgrad;
}

MemoryForm bytes_form(const Probes& probes, TensorId id) {
  const Tensor& tensor = probes.first().tensors[id];
  MemoryForm form;
  if (tensor.rows == Rows::fixed || tensor.rows == Rows::local)
    form.fixed = probes.form([&](const TaskGraph& graph) {
      return bytes_of(graph.tensors[id].dtype, graph.tensors[id].fixed_rows * graph.tensors[id].row_elements);
    });
  else
    form.per_row[static_cast<size_t>(tensor.rows)] =
        static_cast<double>(bytes_of(tensor.dtype, tensor.row_elements)) / tensor.num_chunks;
  return form;
}

}  // namespace

double MemoryForm::at(const SizeTerms& terms, const RankRows& rows) const {
  double bytes = fixed.at(terms);
  for (size_t kind = 0; kind < rows.size(); ++kind)
    if (per_row[kind] != 0) bytes += per_row[kind] * rows[kind];
  return bytes;
}

bool MemoryForm::is_at_most(const MemoryForm& other) const {
  const MemoryForm more = other - *this;
  // 1 / ep and 1 / ranks are at most 1, tokens and rows are as many as there may be.
  if (more.fixed.constant + std::min(0.0, more.fixed.over_ep) + std::min(0.0, more.fixed.over_ranks) < 0) return false;
  return more.fixed.per_token >= 0 &&
         std::all_of(more.per_row.begin(), more.per_row.end(), [](double bytes) { return bytes >= 0; });
}

MemoryForm& MemoryForm::operator+=(const MemoryForm& other) {
  fixed += other.fixed;
  for (size_t i = 0; i < per_row.size(); ++i) per_row[i] += other.per_row[i];
  return *this;
}

MemoryForm MemoryForm::operator-(const MemoryForm& other) const {
  MemoryForm difference = *this;
  difference.fixed += other.fixed * -1;
  for (size_t i = 0; i < per_row.size(); ++i) difference.per_row[i] -= other.per_row[i];
  return difference;
}

class StepSample::Maker {
 public:
  Maker(StepSample& sample, const Probes& probes)
      : s_(sample), probes_(probes), at_(probes.first()), forms_(probes.first().tensors.size()) {
    for (size_t i = 0; i < forms_.size(); ++i) forms_[i] = bytes_form(probes, TensorId(i));
  }

  void make() {
    make_tasks();
    make_residents();
    make_kept();
    make_moments();
    s_.moments_ = highest_among(s_.moments_);
  }

 private:
  const TaskGraph& graph() const { return probes_.first(); }
  int num_layers() const { return static_cast<int>(s_.layers_.size()); }
  static Place place(int position, int layers) {
    return position < 0 ? Place::before : position == layers ? Place::behind : Place::layer;
  }
  int layer(int position) const { return position >= 0 && position < num_layers() ? position : -1; }

  void make_tasks() {
    for (size_t i = 0; i < graph().tasks.size(); ++i) {
      const Task& task = graph().tasks[i];
      const int at = *at_.of_task[i];
      SampleTask sampled{TaskIndex(i),
                         part_of(graph(), task),
                         place(at, num_layers()),
                         task.lane,
                         goes_in_pieces(task),
                         layer(at),
                         {},
                         {},
                         {}};
      if (is_collective(task.op) ? task.bytes > 0 : task.rows == Rows::fixed || task.rows == Rows::local)
        sampled.number = probes_.form(
            [&](const TaskGraph& of) { return is_collective(task.op) ? of.tasks[i].bytes : of.tasks[i].fixed_rows; });
      for (const TaskIndex before : task.dependencies) sampled.after.push_back(before.value());
      sampled.awaited = last_of_other_lanes(sampled);
      s_.tasks_.push_back(std::move(sampled));
    }
  }

  /// Sums of gradients apart: not every microbatch has them.
  std::vector<int> last_of_other_lanes(const SampleTask& task) const {
    std::array<std::array<int, 2>, kNumLanes> last;
    for (auto& of_lane : last) of_lane.fill(-1);
    for (const int number : task.after) {
      const SampleTask& before = s_.tasks_[static_cast<size_t>(number)];
      int& of_kind = last[static_cast<size_t>(before.lane)][before.part == Part::reduction];
      of_kind = std::max(of_kind, number);
    }
    std::vector<int> awaited;
    for (size_t lane = 0; lane < last.size(); ++lane)
      for (const int number : last[lane])
        if (number >= 0 && lane != static_cast<size_t>(task.lane)) awaited.push_back(number);
    return awaited;
  }

  void make_residents() {
    for (Residents& of : s_.residents_) of.of_class.resize(static_cast<size_t>(s_.classes_.count));
    for (size_t i = 0; i < graph().tensors.size(); ++i) {
      const Tensor& tensor = graph().tensors[i];
      if (tensor.kind == TensorKind::activation || tensor.view_of >= 0) continue;
      Residents& of = s_.residents_[static_cast<size_t>(tensor.tier)];
      const Position at = at_.of_tensor[i];
      MemoryForm& to = is_loaded(TensorId(i))  ? of.of_microbatch
                       : at && layer(*at) >= 0 ? of.of_class[static_cast<size_t>(s_.class_of(layer(*at)))]
                       : at == num_layers()    ? of.behind
                                               : of.before;
      to += forms_[i];
    }
    for (Residents& of : s_.residents_)
      for (size_t c = 0; c < of.of_class.size(); ++c) of.of_class[c].fixed *= 1.0 / s_.layers_of_class_[c];
  }
  bool is_loaded(TensorId tensor) const {
    const auto among = [&](const std::vector<TensorId>& inputs) {
      return std::find(inputs.begin(), inputs.end(), tensor) != inputs.end();
    };
    return among(graph().inputs.tokens) || among(graph().inputs.targets);
  }

  /// Of each layer of the sample what backward finds: made in its forward pass, read last in backward.
  void make_kept() {
    kept_of_layer_.resize(s_.layers_.size());
    const Liveness liveness = liveness_of(graph(), 0);
    for (size_t i = 0; i < graph().tasks.size(); ++i)
      if (graph().tasks[i].phase == Phase::backward)
        for (const TensorId tensor : liveness.released[i]) released_in_backward_.push_back(tensor);
    std::sort(released_in_backward_.begin(), released_in_backward_.end());
    for (size_t i = 0; i < graph().tasks.size(); ++i) {
      if (graph().tasks[i].phase != Phase::forward) continue;
      const int position = *at_.of_task[i];
      for (const TensorId tensor : liveness.created[i]) {
        if (!std::binary_search(released_in_backward_.begin(), released_in_backward_.end(), tensor)) continue;
        if (position < 0) s_.kept_before_ += forms_[tensor];
        if (layer(position) >= 0) kept_of_layer_[static_cast<size_t>(position)] += forms_[tensor];
      }
    }
    s_.kept_.resize(static_cast<size_t>(s_.classes_.count));
    for (int i = 0; i < num_layers(); ++i)
      s_.kept_[static_cast<size_t>(s_.class_of(i))] = kept_of_layer_[static_cast<size_t>(i)];
  }

  void make_moments() {
    const Liveness liveness = liveness_of(graph(), 0);
    MemoryForm live;
    for (size_t i = 0; i < graph().tasks.size(); ++i) {
      const bool sums = s_.tasks_[i].part == Part::reduction;
      const MemoryForm created = sum_of(liveness.created[i]), released = sum_of(liveness.released[i]);
      live += created;
      if (!liveness.created[i].empty()) s_.moments_.push_back(moment(i, live)), change(i, false, created);
      if (sums) s_.moments_.push_back(sum_of_later_microbatch(i, live)), change(i, false, summed(i), true);
      if (sums) change(i, true, MemoryForm() - summed(i), true);
      if (!liveness.released[i].empty()) change(i, true, MemoryForm() - released);
      live = live - released;
    }
  }
  MemoryForm sum_of(const std::vector<TensorId>& tensors) const {
    MemoryForm sum;
    for (const TensorId tensor : tensors) sum += forms_[tensor];
    return sum;
  }
  void change(size_t task, bool at_end, const MemoryForm& bytes, bool of_later_microbatches = false) {
    const auto lane = static_cast<size_t>(s_.tasks_[task].lane);
    const auto form = std::find(s_.forms_.begin(), s_.forms_.end(), bytes) - s_.forms_.begin();
    if (static_cast<size_t>(form) == s_.forms_.size()) s_.forms_.push_back(bytes);
    s_.changes_[lane].push_back({static_cast<int>(task), at_end, of_later_microbatches, static_cast<int>(form)});
  }
  Moment moment(size_t task, const MemoryForm& live) const {
    const SampleTask& at = s_.tasks_[task];
    if (at.part == Part::update) return {Place::before, -1, live};  // when nothing is kept
    Moment moment{at.place, at.layer, live};
    const int layers_before = at.place == Place::before ? 0 : at.place == Place::behind ? num_layers() : at.layer;
    for (int before = 0; before < layers_before; ++before)
      moment.bytes = moment.bytes - kept_of_layer_[static_cast<size_t>(before)];
    if (at.place != Place::before) moment.bytes = moment.bytes - s_.kept_before_;
    return moment;
  }
  /// Without those that another of their place exceeds whatever the sizes.
  std::vector<Moment> highest_among(const std::vector<Moment>& moments) const {
    std::vector<Moment> highest;
    const auto same_place = [&](const Moment& a, const Moment& b) {
      return a.place == b.place && a.of_later_microbatches == b.of_later_microbatches &&
             (a.place != Place::layer || s_.class_of(a.layer) == s_.class_of(b.layer));
    };
    for (const Moment& moment : moments) {
      const auto exceeds = [&](const Moment& other) {
        return same_place(moment, other) && moment.bytes.is_at_most(other.bytes);
      };
      if (std::any_of(highest.begin(), highest.end(), exceeds)) continue;
      std::erase_if(highest, [&](const Moment& other) {
        return same_place(moment, other) && other.bytes.is_at_most(moment.bytes);
      });
      highest.push_back(moment);
    }
    return highest;
  }
  /// The first microbatch sums into the share itself; the others beside it.
  Moment sum_of_later_microbatch(size_t task, const MemoryForm& live) const {
    Moment summing = moment(task, live);
    summing.bytes += summed(task);
    summing.of_later_microbatches = true;
    return summing;
  }
  MemoryForm summed(size_t task) const { return {s_.tasks_[task].number, {}}; }

  StepSample& s_;
  const Probes& probes_;
  Positions at_;
  OfTensors<MemoryForm> forms_;
  std::vector<MemoryForm> kept_of_layer_;  // [layers of the sample]
  std::vector<TensorId> released_in_backward_;
};

namespace {

/// The first layer of a class has others before it, the second one its own kind; one more for each layer fetched ahead.
/// Gradients that leave the device pile up over layers where their lane is slow; a table that is cut by columns is
/// gathered beside the last layer and reduced beside the first one of backward.
int layers_of_each_class(const Plan& plan) {
  constexpr int kSteady = 2, kDrained = 2, kBesideTable = 2;
  return kSteady + std::max(plan.prefetch.dense, plan.prefetch.experts) +
         (plan.expert_storage.home == Tier::device ? 0 : kDrained) +
         (plan.embedding == Embedding::column_partition ? kBesideTable : 0);
}

}  // namespace

StepSample::StepSample(const Plan& plan) : classes_(layer_classes(plan.model)) {
  layers_ = first_of_each_class(classes_, layers_of_each_class(plan));
  layers_of_class_.assign(static_cast<size_t>(classes_.count), 0);
  for (size_t i = 0; i < layers_.size(); ++i) ++layers_of_class_[static_cast<size_t>(class_of(static_cast<int>(i)))];
  const Probes probes(plan, with_layers(plan.model, layers_));
  Maker(*this, probes).make();
  graph_ = probes.first();
}

}  // namespace moesaic::planner
