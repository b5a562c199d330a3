#include "executor/runtime/tensor_store.h"

#include <algorithm>
#include <cstring>

#include "core/schema/error.h"

namespace moesaic::executor {
namespace {

constexpr int64_t kAlignElements = 16;  // floats: 64 bytes, the alignment of the collectives' slices

int64_t bound_rows(const Tensor& tensor, std::span<const SlotCounts> counts, const StepContext& context) {
  if (tensor.rows == Rows::fixed) return tensor.fixed_rows;
  MOESAIC_CHECK(!counts.empty(), "rows of '" + tensor.name + "' are needed before the router has run");
  const SlotCounts& chunk = counts[static_cast<size_t>(tensor.chunk)];
  if (tensor.rows == Rows::sent) return chunk.sent(context.position());
  if (tensor.rows == Rows::relayed) return chunk.relayed(context.position(), context.ranks_per_node());
  return chunk.received(context.position());
}

template <typename Visit>
void for_each_tensor(const Task& task, const Visit& visit) {
  for (TensorId tensor : task.reads) visit(tensor);
  for (TensorId tensor : task.writes)
    if (std::find(task.reads.begin(), task.reads.end(), tensor) == task.reads.end()) visit(tensor);
}

}  // namespace

TensorStore::TensorStore(const TaskGraph& graph, Backend& backend)
    : graph_(graph),
      backend_(backend),
      operands_(graph.tensors.size()),
      users_(graph.tensors.size(), 0),
      pending_(graph.tensors.size(), 0) {
  for (const Task& task : graph.tasks)
    for_each_tensor(task, [&](TensorId tensor) { ++users_[static_cast<size_t>(tensor)]; });
  const auto place = [&](TensorId tensor, float* at) {
    const Tensor& info = graph_.tensors[static_cast<size_t>(tensor)];
    operands_[static_cast<size_t>(tensor)] = {tensor, at, info.fixed_rows, info.row_elements};
  };
  const auto allocate = [&](int64_t elements) {
    const Bytes bytes = elements * static_cast<Bytes>(sizeof(float));
    owned_.push_back(backend_.allocate(bytes));
    std::memset(owned_.back(), 0, static_cast<size_t>(bytes));
    live_bytes_ += bytes;
    return static_cast<float*>(owned_.back());
  };
  const auto aligned = [](int64_t elements) {
    return (elements + kAlignElements - 1) / kAlignElements * kAlignElements;
  };
  for (const Task& task : graph.tasks) {  // buckets first
    if (task.op != Op::all_reduce || graph.tensors[static_cast<size_t>(task.reads[0])].kind != TensorKind::gradient)
      continue;
    int64_t total = 0;
    for (TensorId tensor : task.reads) total += aligned(graph.tensors[static_cast<size_t>(tensor)].row_elements);
    float* next = allocate(total);
    for (TensorId tensor : task.reads) {
      place(tensor, next);
      next += aligned(graph.tensors[static_cast<size_t>(tensor)].row_elements);
    }
  }
  for (size_t i = 0; i < graph.tensors.size(); ++i) {
    const Tensor& info = graph.tensors[i];
    if (info.kind != TensorKind::activation && operands_[i].data == nullptr)
      place(static_cast<TensorId>(i), allocate(std::max<int64_t>(1, info.fixed_rows * info.row_elements)));
  }
  peak_bytes_ = live_bytes_;
}

TensorStore::~TensorStore() {
  for (size_t i = 0; i < operands_.size(); ++i)
    if (graph_.tensors[i].kind == TensorKind::activation && operands_[i].data != nullptr)
      backend_.release(operands_[i].data);
  for (void* data : owned_) backend_.release(data);
}

void TensorStore::start_step() { pending_ = users_; }

void TensorStore::create(TensorId tensor, int64_t rows) {
  const Tensor& info = graph_.tensors[static_cast<size_t>(tensor)];
  const Bytes bytes = rows * info.row_elements * static_cast<Bytes>(sizeof(float));
  operands_[static_cast<size_t>(tensor)] = {tensor, backend_.allocate(bytes), rows, info.row_elements};
  live_bytes_ += bytes;
  peak_bytes_ = std::max(peak_bytes_, live_bytes_);
}

std::vector<Operand> TensorStore::operands(std::span<const TensorId> tensors, std::span<const SlotCounts> counts,
                                           const StepContext& context) {
  std::vector<Operand> result;
  result.reserve(tensors.size());
  for (TensorId tensor : tensors) {
    if (operands_[static_cast<size_t>(tensor)].data == nullptr)
      create(tensor, bound_rows(graph_.tensors[static_cast<size_t>(tensor)], counts, context));
    result.push_back(operands_[static_cast<size_t>(tensor)]);
  }
  return result;
}

void TensorStore::finish(const Task& task) {
  for_each_tensor(task, [&](TensorId tensor) {
    Operand& operand = operands_[static_cast<size_t>(tensor)];
    if (--pending_[static_cast<size_t>(tensor)] > 0 ||
        graph_.tensors[static_cast<size_t>(tensor)].kind != TensorKind::activation)
      return;
    backend_.release(operand.data);
    live_bytes_ -= operand.elements() * static_cast<Bytes>(sizeof(float));
    operand = {};
  });
}

}  // namespace moesaic::executor
