#include <algorithm>

#include "core/graph/operands.h"
#include "core/graph/stages.h"
#include "core/graph/verify_rules.h"
#include "core/operators/activations.h"
#include "core/operators/optimizer.h"
#include "core/operators/transfers.h"
#include "core/schema/error.h"

namespace moesaic::rules {
namespace {

using operands::Add, operands::AdamW, operands::Clear, operands::DrainGradients, operands::GatherReplicas,
    operands::FlattenGradients, operands::SpreadReplicas;

/// What a tensor in which gradients (or losses) add up holds as the program runs. Views count as their base.
enum class Sum : uint8_t {
  none,     // nothing of that kind, or nothing yet
  cleared,  // zeros
  own,      // what this rank has added
  all,      // the sum over all ranks that share it
  used,     // what has gone elsewhere
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
    over_.resize(tensors, -1);
    is_gathered_.resize(tensors, 0);
    unspread_.resize(tensors, 0);
    replicas_.resize(tensors, -1);
    partition_.resize(tensors, -1);
    expert_replicas_.resize(graph_.placement.size(), -1);
    for (size_t i = 0; i < tensors; ++i) {
      const Tensor& tensor = graph_.tensors[i];
      if (tensor.kind == TensorKind::gradient) sums_[i] = Sum::cleared;
      if (tensor.view_of >= 0 && tensor.view_communicator < 0) ++parts_[tensor.view_of];
    }
    sums_[graph_.inputs.loss] = Sum::cleared;
    for (const Parameter& parameter : graph_.parameters) {
      partition_[parameter.gradient] = parameter.partition;
      if (!is_shared(graph_, parameter)) continue;
      replicas_[parameter.weight] = parameter.replicas;
      if (parameter.moe_layer >= 0) expert_replicas_[parameter.moe_layer] = parameter.replicas;
    }
    for (const ParameterGroup& group : graph_.groups) replicas_[group.weight_share] = group.communicator;
    find_rounds();
  }

  void run() {
    for (const Task& task : graph_.tasks) step(task);
    const TensorId loss = graph_.inputs.loss;
    const bool over_all = over(loss) >= 0 && graph_.communicators[over(loss)].groups.size() == 1;
    MOESAIC_CHECK(graph_.num_ranks > 1 ? sum(loss) == Sum::all && over_all : sum(loss) == Sum::own,
                  subject_.at(subject_.tensor(loss)) + "is not summed over all ranks once");
    for (size_t i = 0; i < sums_.size(); ++i)
      MOESAIC_CHECK((sums_[i] != Sum::own && sums_[i] != Sum::all) || TensorId(i) == loss,
                    subject_.at(graph_.tensors[i]) + "holds gradients that no update uses");
  }

 private:
  Sum& sum(TensorId id) { return sums_[graph_.base_of(id)]; }
  int& over(TensorId id) { return over_[graph_.base_of(id)]; }
  std::string named(TensorId id) const { return "'" + subject_.tensor(id).name + "'"; }

  /// Before the first exchange among replicas has been put into the graph each slot is an expert of its own.
  void find_rounds() {
    rounds_.resize(graph_.placement.size(), 0);
    const bool exchanges = std::any_of(graph_.tasks.begin(), graph_.tasks.end(),
                                       [](const Task& task) { return task.op == Op::gather_replicas; });
    for (size_t layer = 0; exchanges && layer < rounds_.size(); ++layer) {
      const std::vector<int> round_of_slot = replica_rounds(graph_.placement[layer]);
      rounds_[layer] = *std::max_element(round_of_slot.begin(), round_of_slot.end()) + 1;
    }
  }

  void step(const Task& task) {
    for (TensorId id : added_to_by(task)) add_own(task, id);
    switch (task.op) {
      case Op::gather_replicas:
        gather(task);
        break;
      case Op::spread_replicas:
        spread(task);
        break;
      case Op::clear:
        MOESAIC_CHECK(sum(task.writes[Clear::x]) == Sum::none,
                      subject_.at(task) + "clears " + named(task.writes[Clear::x]) + " a second time");
        clear(task.writes[Clear::x]);
        break;
      case Op::all_reduce:
        reduce(task);
        break;
      case Op::reduce_scatter:
        scatter(task);
        break;
      case Op::add:
        accumulate(task);
        break;
      case Op::regroup:
        regroup(task);
        break;
      case Op::flatten_gradients:
        flatten(task);
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
    added_[base] = unspread_[base] = 0;
    ++clearings_[base];
  }

  void add_own(const Task& task, TensorId id) {
    const auto base = static_cast<size_t>(graph_.base_of(id));
    MOESAIC_CHECK(sums_[base] != Sum::none && sums_[base] != Sum::used,
                  subject_.at(task) + "adds to " + named(id) + ", which nobody has cleared");
    MOESAIC_CHECK(sums_[base] != Sum::all, subject_.at(task) + "adds to " + named(id) + " behind its reduction");
    MOESAIC_CHECK(parts_[base] == 0 || static_cast<size_t>(id) != base,
                  subject_.at(task) + "adds to all of " + named(id) + ", in which single gradients lie");
    MOESAIC_CHECK(is_gathered_[id] != clearings_[base],
                  subject_.at(task) + "adds to " + named(id) + " behind the exchange among replicas");
    sums_[base] = Sum::own;
    if (is_added_[id] == clearings_[base]) return;
    is_added_[id] = clearings_[base];
    ++added_[base];
    if (task.op == Op::experts_wgrad && rounds_[task.moe_layer] > 0) ++unspread_[base];
  }

  /// What this rank has added to its slots of replicated experts.
  void gather(const Task& task) {
    MOESAIC_CHECK(std::ssize(task.writes) == rounds_[task.moe_layer],
                  subject_.at(task) + "has not the rounds of its placement");
    for (TensorId id : {task.reads[GatherReplicas::d_up], task.reads[GatherReplicas::d_down]}) {
      MOESAIC_CHECK(is_added_[id] == clearings_[graph_.base_of(id)] && sum(id) == Sum::own,
                    subject_.at(task) + "takes " + named(id) + " before it has been added to, or behind its reduction");
      is_gathered_[id] = clearings_[graph_.base_of(id)];
    }
    for (TensorId id : task.writes) sum(id) = Sum::own, added_[id] = 1;
  }

  void spread(const Task& task) {
    MOESAIC_CHECK(std::ssize(task.reads) == rounds_[task.moe_layer] + int64_t{SpreadReplicas::sums},
                  subject_.at(task) + "has not the rounds of its placement");
    for (size_t read = SpreadReplicas::sums; read < task.reads.size(); ++read) {
      MOESAIC_CHECK(sum(task.reads[read]) == Sum::all,
                    subject_.at(task) + named(task.reads[read]) + " is not summed over replicas");
      sum(task.reads[read]) = Sum::used;
    }
    for (TensorId id : {task.writes[SpreadReplicas::up], task.writes[SpreadReplicas::down]}) {
      const auto base = static_cast<size_t>(graph_.base_of(id));
      MOESAIC_CHECK(is_gathered_[id] == clearings_[base] && unspread_[base] > 0,
                    subject_.at(task) + "spreads what was not gathered from " + named(id));
      --unspread_[base];
    }
  }

  void check_replicas_agree(const Task& task, TensorId id) const {
    MOESAIC_CHECK(unspread_[graph_.base_of(id)] == 0,
                  subject_.at(task) + "takes " + named(id) + " before replicas have exchanged theirs");
  }

  /// All views of a stretch, where it has some.
  bool is_complete(TensorId id) const {
    const auto base = static_cast<size_t>(graph_.base_of(id));
    return added_[base] == std::max(1, parts_[base]);
  }

  /// What activations add up to is no gradient.
  void reduce(const Task& task) {
    const TensorId id = input_of(task);
    if (sum(id) == Sum::none && subject_.tensor(id).kind == TensorKind::activation) return;
    check_replicas_agree(task, id);
    MOESAIC_CHECK(sum(id) != Sum::all && sum(id) != Sum::used,
                  subject_.at(task) + "sums " + named(id) + " a second time");
    MOESAIC_CHECK(sum(id) == Sum::own && is_complete(id),
                  subject_.at(task) + "sums " + named(id) + " before all of it has been added");
    sum(id) = Sum::all;
    over(id) = task.communicator;
  }

  /// The share stays here, in the same stretch or elsewhere.
  void scatter(const Task& task) {
    const TensorId from = input_of(task), to = output_of(task);
    if (sum(from) == Sum::none) return;
    reduce(task);
    if (graph_.base_of(from) == graph_.base_of(to)) return;
    MOESAIC_CHECK(sum(to) != Sum::all, subject_.at(task) + "overwrites the sum in " + named(to));
    sum(from) = Sum::used;
    sum(to) = Sum::all;
    over(to) = task.communicator;
  }

  /// Of activations nothing is said.
  void regroup(const Task& task) {
    const TensorId from = input_of(task), to = output_of(task);
    if (sum(from) == Sum::none) return;
    MOESAIC_CHECK(sum(from) == Sum::own && is_complete(from) && sum(to) == Sum::none,
                  subject_.at(task) + "moves " + named(from) + " before all of it has been added");
    sum(from) = Sum::used;
    sum(to) = Sum::own;
    added_[graph_.base_of(to)] = 1;
  }

  /// What the members of a partition have added to the part of a parameter that this rank holds.
  bool adds_to_part(const Task& task) const {
    const int partition = partition_[task.writes[Add::sum]];
    return partition >= 0 && over_[graph_.base_of(task.reads[Add::b])] == partition;
  }

  /// Sums of microbatches, and of a part; every other addition is of activations.
  void accumulate(const Task& task) {
    const Sum a = sum(task.reads[Add::a]), b = sum(task.reads[Add::b]);
    if (a == Sum::none && b == Sum::none) return;
    if (b == Sum::all && adds_to_part(task) && task.writes[Add::sum] == task.reads[Add::a]) {
      sum(task.reads[Add::b]) = Sum::used;
      return add_own(task, task.writes[Add::sum]);
    }
    MOESAIC_CHECK(a == Sum::all && b == Sum::all && over(task.reads[Add::a]) == over(task.reads[Add::b]) &&
                      task.writes[Add::sum] == task.reads[Add::a],
                  subject_.at(task) + "adds gradients that are not summed over ranks");
    sum(task.reads[Add::b]) = Sum::used;
  }

  /// replicas: communicator; -1: this rank alone has the gradient.
  void use(const Task& task, TensorId gradient, int replicas) {
    check_replicas_agree(task, gradient);
    if (replicas < 0)
      MOESAIC_CHECK(sum(gradient) == Sum::own,
                    subject_.at(task) + named(gradient) + " has not been added to, or is summed for nothing");
    else
      MOESAIC_CHECK(sum(gradient) == Sum::all && over(gradient) == replicas,
                    subject_.at(task) + named(gradient) + " is not summed over its ranks once");
  }

  /// Copies hold what the originals, which may share a bucket, hold no longer.
  void flatten(const Task& task) {
    MOESAIC_CHECK(task.writes.size() == FlattenGradients::copy_of_parameter(task.reads.size()),
                  subject_.at(task) + "has not a copy of every gradient");
    for (size_t i = 0; i < task.reads.size(); ++i) {
      const TensorId from = task.reads[FlattenGradients::of_parameter(i)];
      const TensorId to = task.writes[FlattenGradients::copy_of_parameter(i)];
      check_replicas_agree(task, from);
      sum(to) = sum(from);
      over(to) = over(from);
    }
    for (TensorId from : task.reads) sum(from) = Sum::used;
  }

  /// Of a bucket all parameters are used before the first one is cleared.
  void update(const Task& task) {
    for (size_t i = 0; i < task.reads.size(); ++i)
      use(task, task.reads[AdamW::of_parameter(i, AdamW::gradient)],
          replicas_[task.writes[AdamW::of_parameter(i, AdamW::weight)]]);
    for (TensorId gradient : task.reads) sum(gradient) = Sum::used;
    for (size_t i = 0; i < task.reads.size(); ++i) clear(task.writes[AdamW::of_parameter(i, AdamW::cleared)]);
  }

  void drain(const Task& task) {
    for (TensorId id : {task.reads[DrainGradients::d_up], task.reads[DrainGradients::d_down]}) {
      use(task, id, expert_replicas_[task.moe_layer]);
      sum(id) = Sum::used;
    }
  }

  const Subject& subject_;
  const TaskGraph& graph_;
  OfTensors<Sum> sums_;              // of bases
  OfTensors<int> over_;              // of bases: the communicator over which they are summed
  OfTensors<int> parts_;             // views that lie side by side in it
  OfTensors<int> added_;             // of them those that have been added to
  OfTensors<int> is_added_;          // the clearing of the base behind which a part was added to
  OfTensors<int> clearings_;         // how often a base has been cleared, and once more
  OfTensors<int> partition_;         // of gradients, the communicator over which the parameter is cut
  OfTensors<int> is_gathered_;       // the clearing of the base behind which replicas exchange it
  OfTensors<int> unspread_;          // of bases: parts that replicas have still to exchange
  Table<int, int> rounds_;           // [num_moe_layers]: of the exchange among replicas
  OfTensors<int> replicas_;          // of weights and shares, the communicator that sums their gradients
  Table<int, int> expert_replicas_;  // [num_moe_layers]
};

}  // namespace

/// Gradients of experts with several slots over these first. Every gradient that several ranks hold over all of them,
/// once, when it is complete and before its update; none that a rank holds alone. What is summed per microbatch adds
/// up. Losses likewise.
void gradients_are_summed_once(const Subject& subject) {
  if (subject.trains()) Gradients(subject).run();
}

}  // namespace moesaic::rules
