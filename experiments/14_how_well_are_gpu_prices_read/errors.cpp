// Lines left out of the tables and read again.

#include <algorithm>
#include <cmath>
#include <map>

#include "core/cost/curve.h"
#include "core/cost/table_prices.h"
#include "experiments/14_how_well_are_gpu_prices_read/study.h"
#include "experiments/figures/statistics.h"

namespace moesaic::experiments {
namespace {

constexpr double kMicrosecond = 1e-6;

/// A point that was left out: measured, read, and the base that the null model multiplies.
struct Point {
  double measured = 0, read = 0, base = 0;
};
struct Group {
  std::string kernel, weights, left_out, points_of;
  auto operator<=>(const Group&) const = default;
};
using Points = std::map<Group, std::vector<Point>>;

std::string band_of(double seconds) { return seconds >= 20 * kMicrosecond ? "20 us and more" : "less than 20 us"; }

/// The kernel as people name it: prefill and decode attention have one operator.
std::string kernel_of(const KernelTable& table) {
  if (table.op == "attention")
    return table.fixed.count("causal_square") > 0 ? "attention, prefill" : "attention, decode";
  if (table.op == "expanded_attention") return "latent attention, prefill";
  if (table.op == "latent_attention") return "latent attention, decode";
  return table.op == "linear" ? "product" : table.op == "head_linear" ? "product by head" : table.op;
}

/// Every second line of the axes in `thinned` is left out; the points are those on left-out lines of all of them.
void leave_lines_out(const KernelTable& table, const TableBase& base, unsigned thinned, const std::string& left_out,
                     Points& points) {
  const KernelGrid whole(table, base);
  KernelGrid grid = whole;
  grid.thin(thinned);
  for (const KernelGrid::Point& at : whole.left_out(thinned)) {
    const double of_base = base.seconds(whole.op(), {table.activations, table.weights}, table.weights,
                                        whole.shape_at(at), whole.rows_at(at), whole.floor(), table.tile);
    const double measured = whole.read(at).factor * of_base;
    const std::string band = table.op == "linear" ? band_of(measured) : "all";
    points[{kernel_of(table), name_of(table.weights), left_out, band}].push_back(
        {measured, grid.read(at).factor * of_base, of_base});
  }
}

void leave_lines_out(const KernelTable& table, const TableBase& base, Points& points) {
  const auto num_axes = static_cast<unsigned>(table.axes.size());
  for (unsigned axis = 0; axis < num_axes; ++axis)
    leave_lines_out(table, base, 1U << axis, table.axes[axis].name, points);
  if (num_axes > 1) leave_lines_out(table, base, (1U << num_axes) - 1, "all axes", points);
}

ExpertCurve thinned(const ExpertCurve& curve) {
  ExpertCurve kept;
  kept.routing = curve.routing;
  for (size_t i = 0; i < curve.rows.size(); ++i) {
    if (KernelGrid::is_left_out(i, curve.rows.size())) continue;
    kept.rows.push_back(curve.rows[i]), kept.skew.push_back(curve.skew[i]);
    kept.modelled_microseconds.push_back(curve.modelled_microseconds[i]);
    kept.microseconds.push_back(curve.microseconds[i]);
  }
  return kept;
}

void read_curve_from(const ExpertTable& rest, const ExpertCurve& curve, bool every_point, const Group& group,
                     Points& points) {
  for (size_t i = 0; i < curve.rows.size(); ++i) {
    if (!every_point && !KernelGrid::is_left_out(i, curve.rows.size())) continue;
    const double base = curve.modelled_microseconds[i] * kMicrosecond;
    points[group].push_back(
        {curve.microseconds[i] * kMicrosecond, expert_factor(rest, curve.rows[i], curve.skew[i]) * base, base});
  }
}

void leave_routings_out(const ExpertTable& table, Points& points) {
  const std::string kernel = table.gated ? "experts" : "experts without gate";
  ExpertTable half = table;
  for (ExpertCurve& curve : half.curves) curve = thinned(curve);
  for (size_t left_out = 0; left_out < table.curves.size(); ++left_out) {
    const ExpertCurve& curve = table.curves[left_out];
    const std::string kind = curve.routing == "balanced" ? "balanced" : "skewed";
    read_curve_from(half, curve, false, {kernel, name_of(table.weights), "rows", kind}, points);
    if (table.curves.size() < 3 || kind == "balanced") continue;
    ExpertTable rest = table;
    rest.curves.erase(rest.curves.begin() + static_cast<std::ptrdiff_t>(left_out));
    read_curve_from(rest, curve, true, {kernel, name_of(table.weights), "the routing", kind}, points);
  }
}

void leave_sizes_out(const CollectiveCurve& curve, Points& points) {
  std::vector<Bytes> sizes;
  std::vector<Seconds> seconds;
  const auto is_left_out = [&](size_t i) { return KernelGrid::is_left_out(i, curve.bytes.size()); };
  for (size_t i = 0; i < curve.bytes.size(); ++i)
    if (!is_left_out(i)) sizes.push_back(curve.bytes[i]), seconds.push_back(curve.seconds[i]);
  for (size_t i = 0; i < curve.bytes.size(); ++i)
    if (is_left_out(i))
      points[{"collectives", "-", "sizes", "all"}].push_back(
          {curve.seconds[i], read_curve(sizes, seconds, curve.bytes[i]).seconds,
           static_cast<double>(curve.bytes[i]) / static_cast<double>(curve.bytes.back()) * curve.seconds.back()});
}

ReadingErrors errors_of(const Group& group, const std::vector<Point>& points, const std::string& device) {
  std::vector<double> factors, errors, null_errors;
  for (const Point& point : points) factors.push_back(point.measured / point.base);
  const double null_factor = median(factors);
  for (const Point& point : points) {
    errors.push_back(std::abs(point.read / point.measured - 1));
    null_errors.push_back(std::abs(null_factor * point.base / point.measured - 1));
  }
  double sum = 0;
  for (const double error : errors) sum += error;
  constexpr double kTail = 0.95;
  return {device,
          group.kernel,
          group.weights,
          group.left_out,
          group.points_of,
          static_cast<int64_t>(points.size()),
          median(errors),
          sum / static_cast<double>(errors.size()),
          percentile(errors, kTail),
          median(null_errors),
          percentile(null_errors, kTail)};
}

}  // namespace

std::vector<ReadingErrors> reading_errors(const Profile& profile, const Device& device, const std::string& name) {
  const auto tables = kernel_tables(profile.tables);
  const TableBase base{device};
  Points points;
  for (const KernelTable& table : tables->kernels) leave_lines_out(table, base, points);
  for (const ExpertTable& table : tables->experts) leave_routings_out(table, points);
  for (const CollectiveCurve& curve : profile.collectives) leave_sizes_out(curve, points);
  std::vector<ReadingErrors> errors;
  for (const auto& [group, of_group] : points) errors.push_back(errors_of(group, of_group, name));
  return errors;
}

}  // namespace moesaic::experiments
