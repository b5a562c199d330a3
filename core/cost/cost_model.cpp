#include "core/cost/cost_model.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "core/cost/curve.h"
#include "core/operators/optimizer.h"
#include "core/schema/error.h"

namespace moesaic {
namespace {

void require_positive(double value, const std::string& document, const char* pointer) {
  if (!(value > 0)) throw InputError(document, pointer, "is not positive", "a number above 0", "set it");
}

/// Both kinds of curve: as many seconds as sizes, sizes ascending. A size of 0 may come first (the cost of an empty
/// collective).
void check_curve(const std::vector<int64_t>& sizes, const std::vector<Seconds>& seconds, const std::string& document,
                 const std::string& pointer) {
  const bool ascending = std::adjacent_find(sizes.begin(), sizes.end(), std::greater_equal<>()) == sizes.end();
  const bool negative = std::any_of(seconds.begin(), seconds.end(), [](Seconds s) { return !(s >= 0); });
  if (sizes.empty() || sizes.size() != seconds.size() || sizes.front() < 0 || sizes.back() == 0 || !ascending ||
      negative)
    throw InputError(document, pointer, "is not a curve", "sizes in ascending order and as many seconds, none negative",
                     "measure it again");
}

/// Squared distance in log space; 1 is added so that absent dimensions and flags count too.
double distance(const OpShape& a, const OpShape& b) {
  const int64_t OpShape::*const dimensions[] = {&OpShape::n,     &OpShape::k,        &OpShape::sequence,
                                                &OpShape::heads, &OpShape::kv_heads, &OpShape::head_dim,
                                                &OpShape::top_k};
  const bool OpShape::*const flags[] = {&OpShape::gated, &OpShape::rms, &OpShape::causal_square};
  const auto squared = [](int64_t x, int64_t y) {
    const double d = std::log1p(static_cast<double>(x)) - std::log1p(static_cast<double>(y));
    return d * d;
  };
  double sum = 0;
  for (const auto dimension : dimensions) sum += squared(a.*dimension, b.*dimension);
  for (const auto flag : flags) sum += squared(a.*flag, b.*flag);
  if (a.window != b.window) sum += squared(a.window > 0 ? a.window : a.sequence, b.window > 0 ? b.window : b.sequence);
  return sum;
}

Basis basis_of(Likeness likeness) {
  constexpr Basis kBases[] = {Basis::published, Basis::extrapolated, Basis::scaled};
  return kBases[static_cast<size_t>(likeness)];
}

Basis weaker(Basis a, Basis b) { return std::max(a, b); }

/// A curve that was itself assumed was measured nowhere, wherever on it a reading lies.
Basis basis_of(bool inside, Provenance provenance) {
  if (provenance == Provenance::assumed) return Basis::scaled;
  if (!inside) return Basis::extrapolated;
  return provenance == Provenance::published ? Basis::published : Basis::measured;
}

}  // namespace

const char* name_of(Basis basis) {
  constexpr const char* kNames[] = {"measured", "published", "extrapolated", "scaled", "roofline"};
  return kNames[static_cast<size_t>(basis)];
}

CostModel::CostModel(const Profile& profile, const Cluster& cluster)
    : profile_(profile),
      roofline_{cluster.device, profile.assumed_flops_efficiency, profile.assumed_bandwidth_efficiency},
      tables_(table_prices(profile.tables, cluster.device)) {
  require_positive(profile.assumed_flops_efficiency, profile.name, "/assumed_flops_efficiency");
  require_positive(profile.assumed_bandwidth_efficiency, profile.name, "/assumed_bandwidth_efficiency");
  require_positive(profile.neighbour_slowdown, profile.name, "/neighbour_slowdown");
  require_positive(profile.collective_slowdown, profile.name, "/collective_slowdown");
  require_positive(cluster.device.peak_f32_flops_per_s, cluster.name, "/device/peak_f32_flops_per_s");
  require_positive(cluster.device.memory_bandwidth_bytes_per_s, cluster.name, "/device/memory_bandwidth_bytes_per_s");
  for (size_t i = 0; i < profile_.operators.size(); ++i) index_operator(i);
  for (size_t i = 0; i < profile_.collectives.size(); ++i)
    check_curve(profile_.collectives[i].bytes, profile_.collectives[i].seconds, profile_.name,
                "/collectives/" + std::to_string(i));
}

void CostModel::index_operator(size_t i) {
  const OperatorCurve& curve = profile_.operators[i];
  check_curve(curve.rows, curve.seconds, profile_.name, "/operators/" + std::to_string(i));
  const int index = static_cast<int>(i);
  const auto [known, is_new] = by_signature_.try_emplace(signature_of(curve), index);
  if (!is_new && curve.provenance < profile_.operators[static_cast<size_t>(known->second)].provenance)
    known->second = index;
  shapes_.push_back(shape_of(curve.fixed));
  by_op_[*op_named(curve.op)].push_back(index);
}

void CostModel::prepare(const TaskGraph& graph) {
  methods_.clear();
  method_of_task_.clear();
  std::map<std::string, int> known;
  for (const Task& task : graph.tasks) {
    if (is_collective(task.op)) {
      method_of_task_.push_back(-1);
      continue;
    }
    // The task's own dtypes too: rooflines count the traffic of operators that are looked up as f32 in them.
    const auto [dtype, weights] = stored_as(task);
    const std::string key = signature_of(task.op, dtype, task.shape) + '|' + name_of(dtype) + '|' + name_of(weights);
    const auto [entry, is_new] = known.try_emplace(key, static_cast<int>(methods_.size()));
    if (is_new) methods_.push_back(method_for(task));
    method_of_task_.push_back(entry->second);
  }
}

CostModel::Method CostModel::method_for(const Task& task) const {
  MOESAIC_CHECK(!is_collective(task.op), "task '" + task.label + "' is a collective, not an operator");
  Method method;
  method.op = task.op, method.dtype = task.dtype, method.weights = stored_as(task).weights;
  method.shape = task.shape;
  if (const auto exact = by_signature_.find(signature_of(task.op, task.dtype, task.shape));
      exact != by_signature_.end()) {
    method.curve = exact->second;
    return method;
  }
  if (tables_ != nullptr) {
    const StoredAs stored = stored_as(task);
    method.table = tables_->curve(task.op, stored, task.shape);
    method.has_experts = is_experts(task.op) && tables_->experts(stored, task.shape, 1).has_value();
    if (method.table != nullptr || method.has_experts) return method;
  }
  const DType dtype = curve_dtype(task.op, task.dtype);
  method.curve_op = task.op;
  method.curve = nearest_curve(task.op, dtype, task.shape);
  if (const std::optional<Op> like = facts_of(task.op).priced_like; method.curve < 0 && like)
    method.curve_op = *like, method.curve = nearest_curve(*like, dtype, task.shape);
  if (method.curve < 0) return method;
  method.scaled = true;
  method.dtype = dtype;  // both rooflines of the ratio in the curve's dtype
  method.curve_shape = shapes_[static_cast<size_t>(method.curve)];
  return method;
}

int CostModel::nearest_curve(Op op, DType dtype, const OpShape& shape) const {
  const auto curves = by_op_.find(op);
  if (curves == by_op_.end()) return -1;
  int nearest = -1;
  double least = std::numeric_limits<double>::infinity();
  for (const int index : curves->second) {
    if (curve_dtype(op, profile_.operators[static_cast<size_t>(index)].dtype) != dtype) continue;
    // A shape without its dimensions does no work, so there is nothing to scale by.
    if (roofline_.seconds(op, dtype, shapes_[static_cast<size_t>(index)], 1) <= 0) continue;
    const double far = distance(shape, shapes_[static_cast<size_t>(index)]);
    if (far < least) nearest = index, least = far;  // the first among equals
  }
  return nearest;
}

Price CostModel::price(const Method& method, int64_t rows) const {
  if (rows <= 0) return {};
  const double slowdown = profile_.neighbour_slowdown;
  if (method.has_experts) return price_slots(method, std::span(&rows, 1));
  if (method.table != nullptr) {
    const OperatorCurve& curve = method.table->curve;
    const CurveReading reading = read_curve(curve.rows, curve.seconds, rows);
    return {reading.seconds * slowdown,
            weaker(basis_of(reading.inside, curve.provenance), basis_of(method.table->likeness))};
  }
  if (method.curve < 0) {
    const double passes = method.op == Op::adamw && !profile_.fused_optimizer ? kUnfusedAdamWTraffic : 1;
    return {roofline_.seconds(method.op, {method.dtype, method.weights}, method.shape, rows) * passes * slowdown,
            Basis::roofline};
  }
  const OperatorCurve& curve = profile_.operators[static_cast<size_t>(method.curve)];
  const CurveReading reading = read_curve(curve.rows, curve.seconds, rows);
  if (!method.scaled) return {reading.seconds * slowdown, basis_of(reading.inside, curve.provenance)};
  const double ratio = roofline_.seconds(method.op, {method.dtype, method.weights}, method.shape, rows) /
                       roofline_.seconds(method.curve_op, method.dtype, method.curve_shape, rows);
  return {reading.seconds * ratio * slowdown, Basis::scaled};
}

const ExpertPrices& CostModel::expert_prices(const Method& method, size_t slots) const {
  const auto known = method.experts.find(slots);
  if (known != method.experts.end()) return known->second;
  const StoredAs stored{method.dtype, method.weights};
  return method.experts.emplace(slots, *tables_->experts(stored, method.shape, static_cast<int64_t>(slots)))
      .first->second;
}

Price CostModel::price_slots(const Method& method, std::span<const int64_t> slot_rows) const {
  if (method.has_experts) {
    const ExpertPrices::Reading reading = expert_prices(method, slot_rows.size()).read(slot_rows);
    return {reading.seconds * profile_.neighbour_slowdown, basis_of(reading.likeness)};
  }
  Price total;
  for (const int64_t rows : slot_rows) {
    const Price slot = price(method, rows);
    total = {total.seconds + slot.seconds, weaker(total.basis, slot.basis)};
  }
  return total;
}

const CostModel::Method& CostModel::prepared(TaskIndex task) const {
  const bool known = task >= 0 && static_cast<size_t>(task) < method_of_task_.size();
  MOESAIC_CHECK(known, "the cost model has not been prepared for this graph");
  const int method = method_of_task_[task];
  MOESAIC_CHECK(method >= 0, "a collective is not priced as an operator");
  return methods_[static_cast<size_t>(method)];
}

Price CostModel::compute(TaskIndex task, int64_t rows) const { return price(prepared(task), rows); }
Price CostModel::compute(const Task& task, int64_t rows) const { return price(method_for(task), rows); }
Price CostModel::experts(TaskIndex task, std::span<const int64_t> slot_rows) const {
  return price_slots(prepared(task), slot_rows);
}
Price CostModel::experts(const Task& task, std::span<const int64_t> slot_rows) const {
  return price_slots(method_for(task), slot_rows);
}

Seconds CostModel::one_more_slot(const Task& task, int64_t rows, int64_t slots) const {
  const Method method = method_for(task);
  if (!method.has_experts) return price(method, rows).seconds;
  std::vector<int64_t> slot_rows(static_cast<size_t>(slots), rows);
  const Seconds with = price_slots(method, slot_rows).seconds;
  slot_rows.back() = 0;
  return std::max(0.0, with - price_slots(method, slot_rows).seconds);
}

std::span<const int64_t> CostModel::table_rows(const Task& task) const {
  const auto curve = tables_ == nullptr ? nullptr : tables_->curve(task.op, stored_as(task), task.shape);
  return curve == nullptr ? std::span<const int64_t>() : std::span<const int64_t>(curve->curve.rows);
}

Seconds CostModel::least_per_row(const Task& task) const {
  if (tables_ == nullptr || !is_experts(task.op)) return 0;
  return tables_->least_per_row(stored_as(task), task.shape) * profile_.neighbour_slowdown;
}

Seconds CostModel::least_of_experts(const Task& task, int64_t least_rows, int64_t most_rows, int64_t most_in_slot,
                                    int64_t slots) const {
  const Method method = method_for(task);
  if (!method.has_experts) return 0;
  return expert_prices(method, static_cast<size_t>(slots)).least(least_rows, most_rows, most_in_slot, slots) *
         profile_.neighbour_slowdown;
}

const CollectiveCurve* CostModel::collective_curve(Op op, int num_ranks, bool crosses_nodes) const {
  const CollectiveCurve* best = nullptr;
  for (const CollectiveCurve& curve : profile_.collectives)
    if (curve.num_ranks == num_ranks && curve.crosses_nodes == crosses_nodes && curve.collective == name_of(op) &&
        (best == nullptr || curve.provenance < best->provenance))
      best = &curve;
  return best;
}

Price CostModel::collective(const CollectiveCurve& curve, Bytes busiest_bytes) const {
  const CurveReading reading = read_curve(curve.bytes, curve.seconds, busiest_bytes);
  return {reading.seconds, basis_of(reading.inside, curve.provenance)};
}

}  // namespace moesaic
