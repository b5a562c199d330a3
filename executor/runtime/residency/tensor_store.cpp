#include "executor/runtime/residency/tensor_store.h"

#include <sched.h>

#include <algorithm>

#include "core/schema/error.h"

namespace moesaic::executor {
namespace {

int64_t bound_rows(const Tensor& tensor, std::span<const SlotCounts> counts, const StepContext& context) {
  if (tensor.rows == Rows::fixed) return tensor.fixed_rows;
  MOESAIC_CHECK(!is_window(tensor.rows), "nobody has opened window '" + tensor.name + "'");
  MOESAIC_CHECK(!counts.empty(), "rows of '" + tensor.name + "' are needed before the router has run");
  return counts[static_cast<size_t>(tensor.chunk)].rows(tensor.rows, context.position(), context.ranks_per_node());
}

/// The tensors whose memory a task uses, once each.
std::vector<TensorId> memory_of(const TaskGraph& graph, const Task& task) {
  std::vector<TensorId> used;
  const auto use = [&](TensorId tensor) {
    const TensorId base = graph.base_of(tensor);
    if (std::find(used.begin(), used.end(), base) == used.end()) used.push_back(base);
  };
  for (TensorId tensor : task.reads) use(tensor);
  for (TensorId tensor : task.writes) use(tensor);
  return used;
}

}  // namespace

TensorStore::TensorStore(const TaskGraph& graph, Backend& backend, int rank)
    : TensorStore(graph, backend, rank, nullptr) {}

TensorStore::TensorStore(const TaskGraph& graph, const TensorStore& residents)
    : TensorStore(graph, residents.backend_, residents.rank_, &residents) {}

TensorStore::TensorStore(const TaskGraph& graph, Backend& backend, int rank, const TensorStore* residents)
    : graph_(graph),
      backend_(backend),
      rank_(rank),
      borrows_(residents != nullptr),
      operands_(graph.tensors.size()),
      users_(graph.tensors.size(), 0),
      pending_(graph.tensors.size(), 0),
      lanes_(graph.tensors.size()) {
  for (const Task& task : graph.tasks) {
    memory_of_task_.push_back(memory_of(graph, task));
    for (TensorId tensor : memory_of_task_.back()) {
      ++users_[tensor];
      lanes_[tensor].add(task.lane);
    }
  }
  for (size_t i = 0; i < graph.tensors.size(); ++i) {
    const Tensor& info = graph.tensors[i];
    if (info.kind == TensorKind::activation || info.view_of >= 0 || info.tier != Tier::device) continue;
    if (borrows_) {
      operands_[i] = residents->operands_[i];
      continue;
    }
    create(TensorId(i), info.fixed_rows, Lane::compute);
    backend_.clear(Lane::compute, operands_[i].data, operands_[i].bytes());
  }
}

TensorStore::~TensorStore() {
  for (size_t i = 0; i < operands_.size(); ++i)
    if (operands_[i].data != nullptr && !(borrows_ && graph_.tensors[i].kind != TensorKind::activation))
      backend_.release(operands_[i].data);
}

void TensorStore::start_step() { pending_ = users_; }

void TensorStore::write(TensorId tensor, const void* from, Bytes bytes) {
  const Operand to = resident(tensor);
  MOESAIC_CHECK(bytes <= to.bytes(), "'" + graph_.tensors[tensor].name + "' is smaller");
  backend_.copy(Lane::compute, to.data, from, bytes);
}

void TensorStore::read(TensorId tensor, void* to, Bytes bytes) {
  const Operand from = resident(tensor);
  MOESAIC_CHECK(bytes <= from.bytes(), "'" + graph_.tensors[tensor].name + "' is smaller");
  backend_.copy(Lane::compute, to, from.data, bytes);
  wait();
}

void TensorStore::wait() {
  for (const Event last = backend_.record(Lane::compute); !backend_.done(last);) sched_yield();
}

void TensorStore::create(TensorId tensor, int64_t rows, Lane first_user) {
  const Tensor& info = graph_.tensors[tensor];
  Operand& operand = operands_[tensor] = {tensor, nullptr, rows, info.row_elements, info.dtype};
  operand.data = backend_.allocate(operand.bytes(), first_user);
  bytes_.add(operand.bytes());
}

void TensorStore::open_window(TensorId tensor, Lane lane, const std::vector<int>& slots) {
  create(tensor, static_cast<int64_t>(slots.size()), lane);
  operands_[tensor].slots = slots_[tensor] = slots;
}

Operand TensorStore::view(TensorId tensor, Lane first_user) {
  const Tensor& info = graph_.tensors[tensor];
  if (operands_[info.view_of].data == nullptr)
    create(info.view_of, graph_.tensors[info.view_of].fixed_rows, first_user);
  int64_t offset = info.view_offset;
  if (info.view_communicator >= 0)
    offset += graph_.position(info.view_communicator, rank_) * info.fixed_rows * info.row_elements;
  auto* base = operands_[info.view_of].as<std::byte>();
  Operand operand{tensor, base + bytes_of(info.dtype, offset), info.fixed_rows, info.row_elements, info.dtype};
  if (info.fixed_rows > 1) operand.row_stride = operands_[info.view_of].row_elements;
  return operand;
}

Operand TensorStore::resident(TensorId tensor) {
  return graph_.tensors[tensor].view_of >= 0 ? view(tensor, Lane::compute) : operands_[tensor];
}

void TensorStore::operands(std::span<const TensorId> tensors, Lane lane, std::span<const SlotCounts> counts,
                           const StepContext& context, std::vector<Operand>& result) {
  result.clear();
  for (TensorId tensor : tensors) {
    const Tensor& info = graph_.tensors[tensor];
    if (info.view_of >= 0) {
      result.push_back(view(tensor, lane));
      continue;
    }
    if (operands_[tensor].data == nullptr) create(tensor, bound_rows(info, counts, context), lane);
    result.push_back(operands_[tensor]);
  }
}

void TensorStore::finish(TaskIndex task) {
  for (TensorId tensor : memory_of_task_[task]) {
    Operand& operand = operands_[tensor];
    if (--pending_[tensor] > 0 || graph_.tensors[tensor].kind != TensorKind::activation) continue;
    backend_.release(operand.data, lanes_[tensor]);
    bytes_.remove(operand.bytes());
    operand = {};
  }
}

}  // namespace moesaic::executor
