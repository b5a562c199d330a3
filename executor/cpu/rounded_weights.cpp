#include "executor/cpu/rounded_weights.h"

#include <algorithm>

namespace moesaic::executor::cpu {
namespace {

bool only_adamw_writes(const TaskGraph& graph, TensorId weight) {
  if (weight < 0 || weight >= graph.tensors.next()) return false;  // a product outside any step
  const Tensor& tensor = graph.tensors[weight];
  if (tensor.kind != TensorKind::parameter || tensor.view_of >= 0) return false;
  return std::none_of(graph.tasks.begin(), graph.tasks.end(), [&](const Task& task) {
    return std::any_of(task.writes.begin(), task.writes.end(), [&](TensorId written) {
      return graph.base_of(written) == weight && (task.op != Op::adamw || written != weight);
    });
  });
}

}  // namespace

const BFloat16* RoundedWeights::find(const Operand& weight, const TaskGraph& graph) {
  const int64_t elements = weight.elements();
  if (const auto found = copies_.find(weight.data); found != copies_.end())
    return found->second.values.of_size(elements);
  if (!only_adamw_writes(graph, weight.tensor)) return nullptr;
  Copy& copy = copies_[weight.data];
  copy.elements = elements;
  round_to_bf16(weight.f32(), copy.values.of_size(elements), elements);
  return copy.values.of_size(elements);
}

void RoundedWeights::renew(const Operand& weight, int64_t begin, int64_t end) {
  const auto found = copies_.find(weight.data);
  if (found == copies_.end()) return;
  round_to_bf16(weight.f32() + begin, found->second.values.of_size(weight.elements()) + begin, end - begin);
}

void RoundedWeights::forget(const void* data, Bytes bytes) {
  const auto* begin = static_cast<const char*>(data);
  std::erase_if(copies_, [&](const auto& entry) {
    const auto* weight = static_cast<const char*>(entry.first);
    return begin < weight + entry.second.elements * static_cast<Bytes>(sizeof(float)) && weight < begin + bytes;
  });
}

}  // namespace moesaic::executor::cpu
