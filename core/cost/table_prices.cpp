#include "core/cost/table_prices.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>
#include <utility>

#include "core/cost/roofline.h"
#include "core/cost/signature.h"

namespace moesaic {
namespace {

double squared_log_ratio(double a, double b) {
  const double far = std::log1p(a) - std::log1p(b);
  return far * far;
}

/// Of dtypes of weights: a table of the same is nearer than any other. Else that in bf16 counts, which the weights are
/// widened to, before others.
double distance(DType table, DType stored) {
  constexpr double kFar = 1e6;
  return table == stored ? 0 : table == DType::bf16 ? kFar : 2 * kFar;
}

/// Of dimensions that no grid has on its axes; 0: its own.
double distance(const KernelGrid& grid, const OpShape& shape) {
  double sum = 0;
  const OpShape fixed = shape_of(grid.table().fixed);
  constexpr int64_t OpShape::*kDimensions[] = {&OpShape::heads, &OpShape::kv_heads, &OpShape::head_dim,
                                               &OpShape::value_dim, &OpShape::window};
  for (const auto dimension : kDimensions)
    sum += squared_log_ratio(static_cast<double>(shape.*dimension), static_cast<double>(fixed.*dimension));
  if (grid.op() != Op::head_linear) return sum;
  return sum + squared_log_ratio(static_cast<double>(shape.n), static_cast<double>(fixed.n)) +
         squared_log_ratio(static_cast<double>(shape.k), static_cast<double>(fixed.k));
}

/// The kernel that stands for an operator: gradients are priced by the forward kernel.
Op measured_op(Op op) {
  if (op == Op::attention_backward) return Op::attention;
  if (op == Op::expanded_attention_backward) return Op::expanded_attention;
  return is_product(op) ? Op::linear : op;
}

KernelGrid::Point point_of(const KernelGrid& grid, Op op, const OpShape& shape, int64_t rows) {
  const Product product = as_product(op, shape, rows);
  const bool of_product = is_product(op);
  KernelGrid::Point at{1, 1, 1};
  for (size_t axis = 0; axis < grid.table().axes.size(); ++axis) {
    const std::string& name = grid.table().axes[axis].name;
    if (name == "rows") at[axis] = of_product ? product.m : rows;
    if (name == "n") at[axis] = product.n;
    if (name == "k") at[axis] = product.k;
    if (name == "sequence") at[axis] = shape.sequence;
    if (name == "sequences") at[axis] = std::max<int64_t>(1, rows / std::max<int64_t>(1, shape.sequence));
  }
  return at;
}

/// Rows at which a curve has points: where the grid has lines, and between them, since the reading bends there.
std::vector<int64_t> rows_of_curve(const KernelGrid& grid, Op op, const OpShape& shape) {
  const bool by_sequences = !grid.values("sequences").empty();
  const auto lines = rows_are_inner(op) ? grid.values("k") : grid.values(by_sequences ? "sequences" : "rows");
  const int64_t unit = by_sequences ? shape.sequence : 1;
  constexpr int kBetween = 4;  // pieces of a line's way to the next
  std::vector<int64_t> rows;
  for (size_t i = 0; i < lines.size(); ++i)
    for (int piece = 0; piece < (i + 1 < lines.size() ? kBetween : 1); ++piece) {
      const double ratio = i + 1 < lines.size() ? static_cast<double>(lines[i + 1]) / static_cast<double>(lines[i]) : 1;
      const double line = static_cast<double>(lines[i]) * std::pow(ratio, static_cast<double>(piece) / kBetween);
      const int64_t next = unit * std::llround(line);
      if (rows.empty() || next > rows.back()) rows.push_back(next);
    }
  return rows;
}

Device measured_device(const KernelTables& tables) {
  Device device;
  device.name = tables.device;
  device.memory_bandwidth_bytes_per_s = tables.memory_bandwidth_bytes_per_s;
  device.peak_f32_flops_per_s = tables.peak_f32_flops_per_s;
  device.peak_bf16_flops_per_s = tables.peak_bf16_flops_per_s;
  device.multiprocessors = tables.multiprocessors;
  device.peak_fp8_flops_per_s = tables.peak_fp8_flops_per_s, device.peak_fp4_flops_per_s = tables.peak_fp4_flops_per_s;
  return device;
}

bool has_same_rates(const Device& a, const Device& b) {
  const auto rates = [](const Device& d) {
    return std::tuple(d.memory_bandwidth_bytes_per_s, d.peak_f32_flops_per_s, d.peak_bf16_flops_per_s,
                      d.peak_fp8_flops_per_s, d.peak_fp4_flops_per_s);
  };
  return rates(a) == rates(b);
}

}  // namespace

TablePrices::TablePrices(std::shared_ptr<const KernelTables> tables, const Device& device)
    : tables_(std::move(tables)), base_{device} {
  const Device measured = measured_device(*tables_);
  if (base_.device.multiprocessors == 0) base_.device.multiprocessors = measured.multiprocessors;
  const bool is_measured = measured.name == device.name && has_same_rates(measured, device);
  likeness_ = is_measured ? Likeness::same : Likeness::different;
  for (const KernelTable& table : tables_->kernels) grids_.emplace_back(table, TableBase{measured});
}

const KernelGrid* TablePrices::grid_for(Op op, StoredAs stored, const OpShape& shape) const {
  const KernelGrid* nearest = nullptr;
  double least = std::numeric_limits<double>::infinity();
  for (const KernelGrid& grid : grids_) {
    const KernelTable& table = grid.table();
    if (grid.op() != measured_op(op) || table.activations != stored.activations) continue;
    if (shape_of(table.fixed).causal_square != shape.causal_square) continue;
    const double far = distance(grid, shape) + distance(table.weights, stored.weights);
    if (far < least) nearest = &grid, least = far;
  }
  return nearest;
}

std::shared_ptr<const TableCurve> TablePrices::curve(Op op, StoredAs stored, const OpShape& shape) const {
  std::string key = signature_of(op, stored.activations, shape);
  key.append(1, '|').append(name_of(stored.weights));
  const std::lock_guard lock(reading_);
  const auto [entry, is_new] = curves_.try_emplace(key);
  if (is_new) entry->second = read_curve_of(op, stored, shape);
  return entry->second;
}

std::shared_ptr<const TableCurve> TablePrices::read_curve_of(Op op, StoredAs stored, const OpShape& shape) const {
  const KernelGrid* grid = grid_for(op, stored, shape);
  if (grid == nullptr) return nullptr;
  TableCurve result;
  const KernelTable& table = grid->table();
  const bool same = likeness_ == Likeness::same && table.weights == stored.weights && distance(*grid, shape) == 0 &&
                    (measured_op(op) == op || is_product(op));
  const bool by_ratio = op == Op::expanded_attention_backward;
  const double over_forward = by_ratio ? kExpandedBackwardOverForward : 1;
  bool inside = false;
  for (const int64_t rows : rows_of_curve(*grid, op, shape)) {
    const KernelGrid::Reading reading = grid->read(point_of(*grid, op, shape, rows));
    result.curve.rows.push_back(rows);
    result.curve.seconds.push_back(
        over_forward * reading.factor *
        base_.seconds(by_ratio ? measured_op(op) : op, stored, table.weights, shape, rows, grid->floor(), table.tile));
    inside = inside || reading.inside;
  }
  result.curve.op = name_of(op);
  result.curve.dtype = stored.activations;
  result.curve.provenance = Provenance::published;
  result.likeness = !same ? Likeness::different : inside ? Likeness::same : Likeness::beyond;
  return std::make_shared<const TableCurve>(std::move(result));
}

std::optional<ExpertPrices> TablePrices::experts(StoredAs stored, const OpShape& shape, int64_t slots) const {
  const ExpertTable* nearest = nullptr;
  double least = std::numeric_limits<double>::infinity();
  for (const ExpertTable& table : tables_->experts) {
    if (table.activations != stored.activations || table.gated != shape.gated) continue;
    const double far = distance(table.weights, stored.weights) +
                       squared_log_ratio(static_cast<double>(table.hidden), static_cast<double>(shape.k)) +
                       squared_log_ratio(static_cast<double>(table.intermediate), static_cast<double>(shape.n)) +
                       squared_log_ratio(static_cast<double>(table.slots), static_cast<double>(slots));
    if (far < least) nearest = &table, least = far;
  }
  if (nearest == nullptr) return {};
  return ExpertPrices(*nearest, base_, stored, shape, likeness_);
}

Seconds TablePrices::least_per_row(StoredAs stored, const OpShape& shape) const {
  Seconds least = 0;
  for (const ExpertTable& table : tables_->experts) {
    if (table.activations != stored.activations || table.gated != shape.gated) continue;
    const Seconds found = ExpertPrices(table, base_, stored, shape, likeness_).least_per_row();
    least = least > 0 ? std::min(least, found) : found;
  }
  return least;
}

std::shared_ptr<const TablePrices> table_prices(const TablesReference& reference, const Device& device) {
  if (reference.file.empty()) return nullptr;
  struct Known {
    TablesReference reference;
    Device device;
    std::shared_ptr<const TablePrices> prices;
  };
  static std::mutex making;
  static std::vector<Known> known;
  const std::lock_guard lock(making);
  for (const Known& entry : known)
    if (entry.reference == reference && entry.device == device) return entry.prices;
  known.push_back({reference, device, std::make_shared<TablePrices>(kernel_tables(reference), device)});
  return known.back().prices;
}

}  // namespace moesaic
