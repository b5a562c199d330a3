#include "executor/runtime/training/step_verdict.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "core/graph/holdings.h"
#include "core/operators/optimizer.h"
#include "core/schema/error.h"
#include "core/technique/agree_on_update.h"

namespace moesaic::executor {
namespace {

using operands::AdamW;

constexpr int kNothing = -1, kLoss = -2;

constexpr size_t kLosses = 2;  // cross-entropy, auxiliary
constexpr size_t kLossBytes = kLosses * sizeof(double);
using Sums = std::array<double, kLosses + ExactSquares::kWords>;  // TaskGraph::inputs.loss

}  // namespace

StepVerdict::StepVerdict(const TaskGraph& graph, const Optimizer& optimizer, int rank, TensorStore& tensors,
                         ExpertStates* experts)
    : graph_(graph),
      optimizer_(optimizer),
      rank_(rank),
      tensors_(tensors),
      experts_(experts),
      task_(verdict_task(graph)),
      found_(kNothing) {
  for (const Task& task : graph.tasks)
    for (size_t i = 0; task.op == Op::adamw && i < task.reads.size() / AdamW::kReads; ++i)
      gradients_.push_back(described(task.reads[AdamW::of_parameter(i, AdamW::gradient)],
                                     task.writes[AdamW::of_parameter(i, AdamW::weight)]));
  const auto others = std::ranges::stable_partition(
      gradients_, [this](const Gradient& gradient) { return gradient.group >= 0 || counts(gradient.parameter); });
  num_counted_ = gradients_.size() - others.size();
  for (size_t i = 0; i < graph.parameters.size(); ++i)
    if (graph.parameters[i].home != Tier::device) counts_experts_ = counts(static_cast<int>(i));  // all are alike
}

StepVerdict::Gradient StepVerdict::described(TensorId gradient, TensorId weight) const {
  const std::vector<UpdateRange> ranges = update_ranges(graph_, weight, rank_);
  const int64_t elements = ranges.empty() ? 0 : ranges.back().end;
  for (size_t i = 0; i < graph_.groups.size(); ++i)
    if (graph_.groups[i].weight_share == weight) return {gradient, -1, static_cast<int>(i), elements};
  for (size_t i = 0; i < graph_.parameters.size(); ++i)
    if (graph_.parameters[i].weight == weight) return {gradient, static_cast<int>(i), -1, elements};
  throw InvariantError(__FILE__, __LINE__, "weight", "an update of what is no parameter");
}

/// Of the ranks that hold the same elements the first counts them; of a group each rank has a share of its own.
bool StepVerdict::counts(int parameter) const {
  return graph_.position(graph_.parameters[parameter].replicas, rank_) == 0;
}

/// Which parameter the element of this rank's share belongs to.
int StepVerdict::parameter_at(const Gradient& gradient, int64_t element) const {
  if (gradient.group < 0) return gradient.parameter;
  const ParameterGroup& group = graph_.groups[gradient.group];
  const auto members = static_cast<int64_t>(graph_.group(group.communicator, rank_).size());
  const int64_t at = graph_.position(group.communicator, rank_) * (group.elements / members) + element;
  size_t i = 0;
  while (i + 1 < group.offsets.size() && group.offsets[i + 1] <= at) ++i;
  return group.parameters[i];
}

int StepVerdict::find_non_finite(std::span<const Gradient> gradients, ExactSquares* squares) {
  std::vector<Operand> operands;
  for (const Gradient& gradient : gradients) {
    operands.push_back(tensors_.resident(gradient.tensor));
    operands.back().rows = 1;
    operands.back().row_elements = gradient.elements;
  }
  const NonFinite found = tensors_.backend().find_non_finite(operands, squares);
  return found.operand < 0 ? kNothing : parameter_at(gradients[static_cast<size_t>(found.operand)], found.element);
}

/// `squares`: null where nobody wants them.
int StepVerdict::look(ExactSquares* squares) {
  const std::span<const Gradient> all = gradients_;
  int found = find_non_finite(squares != nullptr ? all.first(num_counted_) : all, squares);
  if (found == kNothing && squares != nullptr) found = find_non_finite(all.subspan(num_counted_), nullptr);
  if (found == kNothing && experts_ != nullptr) found = experts_->find_non_finite(counts_experts_ ? squares : nullptr);
  return found;
}

void StepVerdict::before_task() {
  Sums own{};
  tensors_.read(graph_.inputs.loss, own.data(), kLossBytes);
  ExactSquares squares;
  found_ = std::isfinite(own[0]) && std::isfinite(own[1]) ? look(optimizer_.clips() ? &squares : nullptr) : kLoss;
  if (found_ != kNothing) own[0] = std::numeric_limits<double>::quiet_NaN();
  if (found_ != kNothing || optimizer_.clips()) {
    std::ranges::copy(squares.words(), own.begin() + kLosses);
    tensors_.write(graph_.inputs.loss, own.data(), optimizer_.clips() ? sizeof own : kLossBytes);
  }
}

UpdateDecision StepVerdict::decide(int64_t step) {
  Sums sum{};
  tensors_.read(graph_.inputs.loss, sum.data(), optimizer_.clips() ? sizeof sum : kLossBytes);
  skipped_ = !std::isfinite(sum[0]) || !std::isfinite(sum[1]);
  if (skipped_ && experts_ != nullptr) experts_->skip(step);
  gradient_norm_ = std::numeric_limits<double>::quiet_NaN();
  if (skipped_ || !optimizer_.clips()) return {skipped_};
  gradient_norm_ = std::sqrt(ExactSquares::of_words(std::span(sum).last<ExactSquares::kWords>()).value());
  return {false, optimizer_.gradient_scale(gradient_norm_)};
}

std::string StepVerdict::reason(Communicator& control, int64_t sequence, Watch& watch) const {
  std::vector<int> found(static_cast<size_t>(control.size()));
  watch.wait(*control.all_gather(sequence, &found_, sizeof found_, found.data()), "reasons to skip a step");
  for (size_t rank = 0; rank < found.size(); ++rank) {
    if (found[rank] == kNothing) continue;
    const std::string on = " on rank " + std::to_string(rank);
    if (found[rank] == kLoss) return "the loss is not finite" + on;
    return "the gradient of " + graph_.parameters[found[rank]].name + " is not finite, or above 2^64," + on;
  }
  return "the sum of the losses is not finite";  // unreachable by sums of finite doubles short of 1e308
}

}  // namespace moesaic::executor
