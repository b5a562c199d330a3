#include "core/graph/operands.h"
#include "core/graph/stages.h"
#include "core/graph/verify_rules.h"
#include "core/operators/activations.h"
#include "core/operators/collectives.h"
#include "core/operators/optimizer.h"
#include "core/operators/transfers.h"
#include "core/schema/error.h"

namespace moesaic::rules {
namespace {

using operands::Add, operands::AdamW, operands::Clear, operands::Collective, operands::DrainGradients;

/// What a tensor in which gradients (or losses) add up holds as the program runs. Views count as their base.
enum class Sum : uint8_t {
  none,     // nothing of that kind, or what has been used
  cleared,  // zeros
  own,      // what this rank has added
  all,      // the sum over all ranks that share it
};

class Gradients {
 public:
  explicit Gradients(const Subject& subject) : subject_(subject), graph_(subject.graph) {
    const size_t tensors = graph_.tensors.size();
    sums_.resize(tensors, Sum::none);
    parts_.resize(tensors, 0);
    added_.resize(tensors, 0);
    is_added_.resize(tensors, 0);
    clearings_.resize(tensors, 1);
    shared_.resize(tensors, false);
    for (size_t i = 0; i < tensors; ++i) {
      const Tensor& tensor = graph_.tensors[i];
      if (tensor.kind == TensorKind::gradient) sums_[i] = Sum::cleared;
      if (tensor.view_of >= 0 && tensor.view_communicator < 0) ++parts_[static_cast<size_t>(tensor.view_of)];
    }
    sums_[static_cast<size_t>(graph_.inputs.loss)] = Sum::cleared;
    for (const Parameter& parameter : graph_.parameters) {
      const bool is_shared = moesaic::is_shared(graph_, parameter);
      shared_[static_cast<size_t>(parameter.weight)] = is_shared;
      if (is_shared && parameter.moe_layer >= 0) shared_layers_.resize(graph_.placement.size(), false);
      if (is_shared && parameter.moe_layer >= 0) shared_layers_[static_cast<size_t>(parameter.moe_layer)] = true;
    }
    for (const ParameterGroup& group : graph_.groups) shared_[static_cast<size_t>(group.weight_share)] = true;
  }

  void run() {
    for (const Task& task : graph_.tasks) step(task);
    for (size_t i = 0; i < sums_.size(); ++i) {
      const bool losses = static_cast<TensorId>(i) == graph_.inputs.loss;
      const Sum expected = !losses ? sums_[i] : graph_.num_ranks > 1 ? Sum::all : Sum::own;
      MOESAIC_CHECK(sums_[i] == expected, subject_.at(graph_.tensors[i]) + "is not summed over all ranks once");
      MOESAIC_CHECK(losses || sums_[i] == Sum::none || sums_[i] == Sum::cleared,
                    subject_.at(graph_.tensors[i]) + "holds gradients that no update uses");
    }
  }

 private:
  Sum& sum(TensorId id) { return sums_[static_cast<size_t>(graph_.base_of(id))]; }
  std::string named(TensorId id) const { return "'" + subject_.tensor(id).name + "'"; }

  void step(const Task& task) {
    for (TensorId id : added_to_by(task)) add_own(task, id);
    switch (task.op) {
      case Op::clear:
        clear(task.writes[Clear::x]);
        break;
      case Op::all_reduce:
        reduce(task);
        break;
      case Op::reduce_scatter:
        if (sum(input_of(task)) == Sum::none) break;  // of activations
        reduce(task);
        MOESAIC_CHECK(graph_.base_of(output_of(task)) == graph_.base_of(input_of(task)) ||
                          sum(output_of(task)) != Sum::all,
                      subject_.at(task) + "overwrites the sum in " + named(output_of(task)));
        if (graph_.base_of(output_of(task)) != graph_.base_of(input_of(task))) sum(input_of(task)) = Sum::none;
        sum(output_of(task)) = Sum::all;
        break;
      case Op::add:
        accumulate(task);
        break;
      case Op::adamw:
        update(task);
        break;
      case Op::drain_gradients:
        drain(task);
        break;
      default:
        break;
    }
  }

  void clear(TensorId id) {
    const auto base = static_cast<size_t>(graph_.base_of(id));
    sums_[base] = Sum::cleared;
    added_[base] = 0;
    ++clearings_[base];
  }

  void add_own(const Task& task, TensorId id) {
    const auto base = static_cast<size_t>(graph_.base_of(id));
    MOESAIC_CHECK(sums_[base] != Sum::none, subject_.at(task) + "adds to " + named(id) + ", which nobody has cleared");
    MOESAIC_CHECK(sums_[base] != Sum::all, subject_.at(task) + "adds to " + named(id) + " behind its reduction");
    sums_[base] = Sum::own;
    if (is_added_[static_cast<size_t>(id)] == clearings_[base]) return;
    is_added_[static_cast<size_t>(id)] = clearings_[base];
    ++added_[base];
  }

  /// All views of a stretch, where it has some.
  bool is_complete(TensorId id) const {
    const auto base = static_cast<size_t>(graph_.base_of(id));
    return added_[base] == std::max(1, parts_[base]);
  }

  void reduce(const Task& task) {
    const TensorId id = input_of(task);
    MOESAIC_CHECK(sum(id) != Sum::all, subject_.at(task) + "sums " + named(id) + " a second time");
    MOESAIC_CHECK(sum(id) == Sum::own && is_complete(id),
                  subject_.at(task) + "sums " + named(id) + " before all of it has been added");
    sum(id) = Sum::all;
  }

  /// Sums of microbatches; every other addition is of activations.
  void accumulate(const Task& task) {
    const Sum a = sum(task.reads[Add::a]), b = sum(task.reads[Add::b]);
    if (a == Sum::none && b == Sum::none) return;
    MOESAIC_CHECK(a == Sum::all && b == Sum::all && task.writes[Add::sum] == task.reads[Add::a],
                  subject_.at(task) + "adds gradients that are not summed over ranks");
    sum(task.reads[Add::b]) = Sum::none;
  }

  void use(const Task& task, TensorId gradient, bool is_shared) {
    MOESAIC_CHECK(sum(gradient) == (is_shared ? Sum::all : Sum::own),
                  subject_.at(task) + named(gradient) + (is_shared ? " is not summed over its ranks once"
                                                                   : " has not been added to, or is summed for nothing"));
  }

  /// Of a bucket all parameters are used before the first one is cleared.
  void update(const Task& task) {
    for (size_t i = 0; i < task.reads.size(); ++i)
      use(task, task.reads[i], shared_[static_cast<size_t>(task.writes[i * AdamW::kWrites + AdamW::weight])]);
    for (size_t i = AdamW::cleared; i < task.writes.size(); i += AdamW::kWrites) clear(task.writes[i]);
  }

  void drain(const Task& task) {
    const bool is_shared = !shared_layers_.empty() && shared_layers_[static_cast<size_t>(task.moe_layer)];
    for (TensorId id : {task.reads[DrainGradients::d_up], task.reads[DrainGradients::d_down]}) {
      use(task, id, is_shared);
      sum(id) = Sum::none;
    }
  }

  const Subject& subject_;
  const TaskGraph& graph_;
  std::vector<Sum> sums_;         // [tensors], of bases
  std::vector<int> parts_;        // [tensors]: views that lie side by side in it
  std::vector<int> added_;        // [tensors]: of them those that have been added to
  std::vector<int> is_added_;     // [tensors]: the clearing of the base behind which a part was added to
  std::vector<int> clearings_;    // [tensors]
  std::vector<bool> shared_;      // [tensors]: of weights and shares, several ranks have gradients of them
  std::vector<bool> shared_layers_;  // [MoE layers]; empty: none
};

}  // namespace

/// Every gradient that several ranks hold over all of them, once, when it is complete and before its update; none that
/// a rank holds alone. What is summed per microbatch adds up. Losses likewise.
void gradients_are_summed_once(const Subject& subject) {
  if (subject.trains()) Gradients(subject).run();
}

}  // namespace moesaic::rules
