#include "executor/runtime/training/step_verdict.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "core/graph/holdings.h"
#include "core/graph/operands.h"
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
  const std::vector<Holding> holdings = holdings_of(graph, rank, State::first_moment);
  const OfTensors<TensorId> originals = originals_of(graph);
  OfTensors<TaskIndex> check_of(graph.tensors.size(), -1);
  for (TaskIndex i = 0; i < graph.tasks.next(); ++i)
    if (checks_gradients(graph.tasks[i].op))
      for (TensorId gradient : graph.tasks[i].reads) check_of[gradient] = i;
  for (const Task& task : graph.tasks)
    for (size_t i = 0; task.op == Op::adamw && i < task.reads.size() / AdamW::kReads; ++i) {
      const TensorId gradient = originals[task.reads[AdamW::of_parameter(i, AdamW::gradient)]];
      add(described(gradient, task.writes[AdamW::of_parameter(i, AdamW::weight)]),
          task.writes[AdamW::of_parameter(i, AdamW::moments)], holdings, checks_[check_of[gradient]]);
    }
}

/// A gradient stands as its first moments do. Of the ranks that hold the same elements the first counts them, and of
/// the slots of an expert the first.
void StepVerdict::add(const Gradient& gradient, TensorId moments, const std::vector<Holding>& holdings,
                      Check& to) const {
  to.all.push_back(gradient);
  const auto holding = std::ranges::find(holdings, moments, &Holding::tensor);
  MOESAIC_CHECK(holding != holdings.end(), "an update of moments that nobody holds");
  std::vector<Gradient> stretches;
  int64_t elements = 0;
  for (const Piece& piece : holding->pieces)
    for (int64_t run = 0; run < piece.runs && holding->primary && !piece.is_copy; ++run) {
      const int64_t begin = piece.local_offset + run * piece.local_stride;
      elements += piece.run;
      if (stretches.empty() || stretches.back().end != begin) {
        stretches.push_back(gradient);
        stretches.back().begin = begin;
      }
      stretches.back().end = begin + piece.run;
    }
  if (elements < gradient.end) to.partial.push_back(gradient);
  to.counted.insert(to.counted.end(), stretches.begin(), stretches.end());
}

StepVerdict::Gradient StepVerdict::described(TensorId gradient, TensorId weight) const {
  const std::vector<UpdateRange> ranges = update_ranges(graph_, weight, rank_);
  const int64_t elements = ranges.empty() ? 0 : ranges.back().end;
  for (size_t i = 0; i < graph_.groups.size(); ++i)
    if (graph_.groups[i].weight_share == weight) return {gradient, -1, static_cast<int>(i), 0, elements};
  for (size_t i = 0; i < graph_.parameters.size(); ++i)
    if (graph_.parameters[i].weight == weight) return {gradient, static_cast<int>(i), -1, 0, elements};
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

int StepVerdict::find_non_finite(std::span<const Gradient> gradients, ExactSquares* squares) {
  std::vector<Operand> operands;
  for (const Gradient& gradient : gradients) {
    Operand& operand = operands.emplace_back(tensors_.resident(gradient.tensor));
    operand.data = operand.as<std::byte>() + bytes_of(operand.dtype, gradient.begin);
    operand.rows = 1;
    operand.row_elements = gradient.end - gradient.begin;
  }
  const NonFinite found = tensors_.backend().find_non_finite(operands, squares);
  if (found.operand < 0) return kNothing;
  const Gradient& gradient = gradients[static_cast<size_t>(found.operand)];
  return parameter_at(gradient, gradient.begin + found.element);
}

/// `squares`: null where nobody wants them.
int StepVerdict::look(const Check& check, ExactSquares* squares) {
  if (squares == nullptr) return find_non_finite(check.all, nullptr);
  const int found = find_non_finite(check.counted, squares);
  return found == kNothing ? find_non_finite(check.partial, nullptr) : found;
}

void StepVerdict::start_step() {
  found_ = kNothing;
  squares_ = {};
}

void StepVerdict::check(TaskIndex index) {
  if (found_ != kNothing) return;
  const Task& task = graph_.tasks[index];
  ExactSquares* const squares = optimizer_.clips() ? &squares_ : nullptr;
  found_ = task.op == Op::check_experts ? experts_->find_non_finite(task.moe_layer, squares)
                                        : look(checks_.at(index), squares);
}

void StepVerdict::before_task() {
  Sums own{};
  tensors_.read(graph_.inputs.loss, own.data(), kLossBytes);
  if (!std::isfinite(own[0]) || !std::isfinite(own[1])) found_ = kLoss;
  if (found_ != kNothing) own[0] = std::numeric_limits<double>::quiet_NaN();
  if (found_ != kNothing || optimizer_.clips()) {
    std::ranges::copy(squares_.words(), own.begin() + kLosses);
    tensors_.write(graph_.inputs.loss, own.data(), optimizer_.clips() ? sizeof own : kLossBytes);
    tensors_.wait();  // the network lane, which sums it next, waits for tasks alone
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
