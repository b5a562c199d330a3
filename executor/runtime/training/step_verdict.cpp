#include "executor/runtime/training/step_verdict.h"

#include <array>
#include <cmath>
#include <limits>

#include "core/operators/optimizer.h"
#include "core/schema/error.h"
#include "core/technique/agree_on_update.h"

namespace moesaic::executor {
namespace {

using operands::AdamW;

constexpr int kNothing = -1, kLoss = -2;

}  // namespace

StepVerdict::StepVerdict(const TaskGraph& graph, int rank, TensorStore& tensors, ExpertStates* experts)
    : graph_(graph), rank_(rank), tensors_(tensors), experts_(experts), task_(verdict_task(graph)), found_(kNothing) {
  for (const Task& task : graph.tasks)
    for (size_t i = 0; task.op == Op::adamw && i < task.reads.size() / AdamW::kReads; ++i)
      gradients_.push_back(described(task.reads[AdamW::of_parameter(i, AdamW::gradient)],
                                     task.writes[AdamW::of_parameter(i, AdamW::weight)]));
}

StepVerdict::Gradient StepVerdict::described(TensorId gradient, TensorId weight) const {
  for (size_t i = 0; i < graph_.groups.size(); ++i)
    if (graph_.groups[i].weight_share == weight) return {gradient, -1, static_cast<int>(i)};
  for (size_t i = 0; i < graph_.parameters.size(); ++i)
    if (graph_.parameters[i].weight == weight) return {gradient, static_cast<int>(i), -1};
  throw InvariantError(__FILE__, __LINE__, "weight", "an update of what is no parameter");
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

void StepVerdict::before_task() {
  std::array<double, 2> own{};
  tensors_.read(graph_.inputs.loss, own.data(), sizeof own);
  found_ = std::isfinite(own[0]) && std::isfinite(own[1]) ? kNothing : kLoss;
  if (found_ == kNothing) {
    std::vector<Operand> operands;
    for (const Gradient& gradient : gradients_) operands.push_back(tensors_.resident(gradient.tensor));
    const NonFinite found = tensors_.backend().find_non_finite(operands);
    if (found.operand >= 0) found_ = parameter_at(gradients_[static_cast<size_t>(found.operand)], found.element);
  }
  if (found_ == kNothing && experts_ != nullptr) found_ = experts_->find_non_finite();
  if (found_ == kNothing) return;
  own[0] = std::numeric_limits<double>::quiet_NaN();
  tensors_.write(graph_.inputs.loss, own.data(), sizeof own);
}

bool StepVerdict::skips(int64_t step) {
  std::array<double, 2> sum{};
  tensors_.read(graph_.inputs.loss, sum.data(), sizeof sum);
  skipped_ = !std::isfinite(sum[0]) || !std::isfinite(sum[1]);
  if (skipped_ && experts_ != nullptr) experts_->skip(step);
  return skipped_;
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
