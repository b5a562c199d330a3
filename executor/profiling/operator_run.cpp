#include "executor/profiling/operator_run.h"

#include <algorithm>

#include "core/cost/signature.h"
#include "core/graph/stages.h"
#include "core/operators/collectives.h"
#include "core/operators/optimizer.h"
#include "core/schema/error.h"
#include "core/schema/exact_squares.h"
#include "core/schema/hash.h"
#include "core/technique/lower.h"
#include "executor/cpu/bfloat16.h"
#include "executor/profiling/timed.h"

namespace moesaic::executor {
namespace {

bool moves_choices(Op op) {
  return op == Op::permute || op == Op::permute_backward || op == Op::unpermute || op == Op::unpermute_backward;
}

/// Elements that are drawn for an operand; they repeat behind. Drawn on the host, a step of 10^9 weights would take
/// longer than what is measured; 16 MiB of f32 are more than any cache but the last holds of it.
constexpr int64_t kStretch = int64_t{1} << 22;

int64_t elements_of(const Tensor& tensor) { return tensor.fixed_rows * tensor.row_elements; }

/// Uniform in [0, 1).
float unit_uniform(uint64_t seed) { return static_cast<float>(splitmix64(seed) >> 40) * 0x1p-24f; }

}  // namespace

MeasuredPlan::MeasuredPlan(const Plan& of) : plan(measured_form(of)), graph(graph_of_rank(lower(plan), 0)) {}

OperatorRun::OperatorRun(const MeasuredPlan& of, const OperatorShape& shape, int64_t rows, Backend& backend,
                         uint64_t seed)
    : of_(of), rows_(rows), backend_(backend), seed_(seed), graph_(of.graph) {
  find_task(shape);
  graph_.tokens_per_rank = moves_choices(task_.op) ? rows / task_.shape.top_k : rows;
  context_ = make_step_context(graph_, of_.plan, 0);
  for (std::vector<UpdateRange>& ranges : context_.update_ranges)
    for (UpdateRange& range : ranges) range.end = rows;
  bind_counts();
  make_operands();
}

OperatorRun::~OperatorRun() {
  for (const Memory& memory : memory_) {
    backend_.release(memory.operand.data);
    backend_.release(memory.twin);
  }
}

void OperatorRun::find_task(const OperatorShape& shape) {
  const std::string signature = signature_of(shape.op, shape.dtype, shape.shape);
  const auto found = std::find_if(graph_.tasks.begin(), graph_.tasks.end(), [&](const Task& task) {
    return task.op == shape.op && signature_of(task.op, task.dtype, task.shape) == signature;
  });
  MOESAIC_CHECK(found != graph_.tasks.end(), "no task has the signature " + signature);
  task_ = *found;
  if (task_.rows == Rows::fixed) task_.fixed_rows = rows_;
  if (!checks_gradients(task_.op)) return;
  for (TensorId gradient : task_.reads) checked_ += elements_of(graph_.tensors[gradient]);
}

/// One slot with all rows for experts; for regroupings the rows spread evenly over sources and slots.
void OperatorRun::bind_counts() {
  if (task_.moe_layer < 0) return;
  const int ep = of_.plan.layout.ep, slots = graph_.placement[task_.moe_layer].slots_per_rank;
  if (is_experts(task_.op)) {
    counts_.emplace_back(1, 1).at(0, 0) = rows_;
    return;
  }
  SlotCounts& counts = counts_.emplace_back(ep, slots);
  for (int source = 0; source < ep; ++source)
    for (int slot = 0; slot < slots; ++slot)
      counts.at(source, slot) = chunk_share(rows_, source * slots + slot, ep * slots);
}

/// The operand without memory: the task's tensor with these rows.
Operand OperatorRun::sized(TensorId id) const {
  const Tensor& tensor = graph_.tensors[id];
  const bool resident = tensor.kind != TensorKind::activation;
  if (task_.op == Op::adamw)  // the moments are as long as several weights
    return {id, nullptr, 1,
            rows_ * (tensor.row_elements / graph_.tensors[task_.writes[operands::AdamW::weight]].row_elements)};
  if (task_.op == Op::flatten_gradients)  // of one gradient
    return {id, nullptr, 1, id == task_.writes[operands::FlattenGradients::statistics] ? tensor.row_elements : rows_,
            tensor.dtype};
  if (checks_gradients(task_.op) && elements_of(tensor) > 0)  // of all gradients together as many as there are rows
    return {id, nullptr, 1, rows_ * elements_of(tensor) / checked_, tensor.dtype};
  if (family_of(task_.op) == Family::einsum_rows && tensor.rows == Rows::sent)
    return {id, nullptr, task_.shape.n, tensor.row_elements, tensor.dtype};
  static constexpr int kFirstSlot[] = {0};
  if (is_window(tensor.rows) && is_experts(task_.op))
    return {id, nullptr, 1, tensor.row_elements, tensor.dtype, kFirstSlot};
  if (tensor.rows != Rows::fixed) return {id, nullptr, rows_, tensor.row_elements};
  const int64_t tokens = of_.graph.tokens_per_rank, gathered = tokens * of_.plan.layout.tp;
  if (!resident && (tensor.fixed_rows == tokens || tensor.fixed_rows == gathered))
    return {id, nullptr, graph_.tokens_per_rank, tensor.row_elements};
  if (tensor.kind == TensorKind::input && tensor.dtype == DType::i32) return {id, nullptr, 1, graph_.tokens_per_rank};
  if (resident && is_experts(task_.op))
    return {id, nullptr, 1, tensor.row_elements / graph_.placement[task_.moe_layer].slots_per_rank};
  return {id, nullptr, tensor.fixed_rows, tensor.row_elements};
}

void OperatorRun::make_operands() {
  const OperandAges ages =
      typical_ages(of_.graph, signature_of(task_.op, task_.dtype, task_.shape), balanced_rows(of_.plan, of_.graph));
  const auto add = [&](TensorId tensor, Bytes age) {
    if (memory_of(tensor) != nullptr) return;
    Operand operand = sized(tensor);
    operand.dtype = graph_.tensors[tensor].dtype;
    operand.data = backend_.allocate(operand.bytes());
    fill(operand);
    memory_.push_back({operand, backend_.allocate(operand.bytes()), age});
    backend_.copy(Lane::compute, memory_.back().twin, operand.data, operand.bytes());
  };
  for (size_t i = 0; i < task_.reads.size(); ++i) add(task_.reads[i], ages.reads[i]);
  for (size_t i = 0; i < task_.writes.size(); ++i) add(task_.writes[i], ages.writes[i]);
  const auto bind = [&](TensorId tensor, std::vector<Operand>& operands, std::vector<Operand>& twins) {
    const Memory& memory = *memory_of(tensor);
    operands.push_back(memory.operand);
    twins.push_back(memory.operand);
    twins.back().data = memory.twin;
  };
  for (TensorId tensor : task_.reads) bind(tensor, reads_, twin_reads_);
  for (TensorId tensor : task_.writes) bind(tensor, writes_, twin_writes_);
}

const OperatorRun::Memory* OperatorRun::memory_of(TensorId tensor) const {
  for (const Memory& memory : memory_)
    if (memory.operand.tensor == tensor) return &memory;
  return nullptr;
}

TaskIndex OperatorRun::producer_of(TensorId tensor) const {
  for (size_t i = 0; i < graph_.tasks.size(); ++i)
    if (contains(graph_.tasks[i].writes, tensor)) return TaskIndex(i);
  return -1;
}

/// Random values of the kind that a step has: routes come from the router itself, counts of other ranks repeat this
/// rank's.
void OperatorRun::fill(const Operand& operand) {
  const Tensor& tensor = graph_.tensors[operand.tensor];
  const TaskIndex producer = producer_of(operand.tensor);
  if (producer >= 0 && tensor.kind == TensorKind::activation && contains(task_.reads, operand.tensor)) {
    const Task& by = graph_.tasks[producer];
    if (by.op == Op::router) return fill_from_router(operand, operand.tensor);
    if (by.op == Op::all_gather && tensor.dtype == DType::i32)  // counts; other gathered rows are drawn
      return fill_from_router(operand, by.reads[operands::Collective::sent]);
  }
  std::vector<float> values(static_cast<size_t>(std::min(operand.elements(), kStretch)));
  auto* integers = reinterpret_cast<int32_t*>(values.data());
  const uint64_t stream = splitmix64(seed_ + static_cast<uint64_t>(operand.tensor));
  const float scale =
      tensor.kind == TensorKind::parameter ? 0.04f : 2.0f;  // like initial weights, like normed activations
  for (size_t i = 0; i < values.size(); ++i) {
    const float uniform = unit_uniform(stream + i);
    if (tensor.dtype == DType::i32)
      integers[i] = static_cast<int32_t>(uniform * 256);  // tokens are bytes
    else if (tensor.kind == TensorKind::optimizer)
      values[i] = 1e-3f * uniform;  // second moments are not negative
    else if (tensor.kind != TensorKind::input)
      values[i] = scale * (uniform - 0.5f);
  }
  const void* filled = values.data();
  std::vector<cpu::BFloat16> rounded;
  if (tensor.dtype == DType::bf16) {
    rounded.resize(values.size());
    cpu::round_to_bf16(values.data(), rounded.data(), static_cast<int64_t>(values.size()));
    filled = rounded.data();
  }
  copy_repeated(operand, filled, bytes_of(tensor.dtype, static_cast<int64_t>(values.size())));
}

/// `bytes` of `from` again and again until the operand is full. After the first time the device copies what it has.
void OperatorRun::copy_repeated(const Operand& operand, const void* from, Bytes bytes) {
  auto* to = operand.as<std::byte>();
  for (Bytes at = 0; at < operand.bytes();) {
    const Bytes part = std::min(at == 0 ? bytes : at, operand.bytes() - at);
    backend_.copy(Lane::compute, to + at, at == 0 ? from : to, part);
    at += part;
  }
}

void OperatorRun::fill_from_router(const Operand& operand, TensorId source) {
  if (!router_) {
    const auto routes =
        std::find_if(graph_.tasks.begin(), graph_.tasks.end(), [](const Task& task) { return task.op == Op::router; });
    const OperatorShape shape{Op::router, DType::f32, routes->shape, 0, {}, {}, {}};
    router_ = std::make_unique<OperatorRun>(of_, shape, graph_.tokens_per_rank, backend_, seed_);
    router_->launch();
  }
  // The router that has run may be another layer's: the tensor in the same role.
  const std::vector<TensorId>& writes = graph_.tasks[producer_of(source)].writes;
  const auto role = static_cast<size_t>(std::find(writes.begin(), writes.end(), source) - writes.begin());
  const Operand& from = router_->writes_[role];
  copy_repeated(operand, from.data, from.bytes());
}

Sample OperatorRun::run(std::span<const Operand> reads, std::span<const Operand> writes) {
  return timed(task_.lane, backend_, [&] {
    ExactSquares squares;
    if (checks_gradients(task_.op))
      backend_.find_non_finite(reads, task_.op == Op::sum_squares ? &squares : nullptr);
    else
      backend_.launch({task_, reads, writes, counts_, context_});
  });
}

Sample OperatorRun::launch() { return run(reads_, writes_); }

void OperatorRun::prepare(CacheWalk& caches) {
  for (const Memory& memory : memory_) {
    const TensorKind kind = graph_.tensors[memory.operand.tensor].kind;
    if (task_.op == Op::adamw && kind == TensorKind::gradient) fill(memory.operand);  // the update clears it
  }
  // Also where no operand is cold: without it, what a step would have evicted is found in a cache.
  caches.empty_all_caches();
}

Sample OperatorRun::launch_warmed(CacheWalk& caches) {
  const CoreWatch core;
  run(twin_reads_, twin_writes_);  // a step has run this code in the layer before
  for (int level : {1, 0}) {
    if (level == 0) caches.empty_core_cache();
    for (const Memory& memory : memory_)
      if (caches.level_of(memory.age) == level) caches.read(memory.operand.data, memory.operand.bytes());
  }
  Sample sample = launch();
  if (backend_.runs_inline()) sample.disturbed = sample.disturbed || core.was_switched();
  return sample;
}

}  // namespace moesaic::executor
