#include "core/cost/kernel_grid.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/cost/signature.h"
#include "core/schema/error.h"

namespace moesaic {
namespace {

constexpr double kMicrosecond = 1e-6;
/// The floor is a little below the least time of a table, so that no measured kernel lies under its base's floor.
constexpr double kFloorShare = 0.9;

constexpr const char* kRows = "rows";
constexpr const char* kSequences = "sequences";

/// Between which two of `values` a size lies, and how far along in the logarithm.
struct Between {
  size_t below = 0, above = 0;
  double share = 0;
  bool inside = true;
};

Between between(const std::vector<int64_t>& values, int64_t size) {
  const bool inside = size >= values.front() && size <= values.back();
  const auto next = std::lower_bound(values.begin(), values.end(), std::clamp(size, values.front(), values.back()));
  const auto above = static_cast<size_t>(next - values.begin());
  if (*next <= size || !inside) return {above, above, 0, inside};
  const auto log_of = [](int64_t value) { return std::log(static_cast<double>(value)); };
  const double low = log_of(values[above - 1]);
  return {above - 1, above, (log_of(size) - low) / (log_of(values[above]) - low), true};
}

Op operator_of(const KernelTable& table) {
  const auto op = op_named(table.op);
  if (!op || table.axes.empty() || table.axes.size() > kMostAxes)
    throw InputError("kernel tables", "/kernels",
                     "unknown operator or number of axes in the table of '" + table.op + "'",
                     "tables that this version wrote", "import them again");
  return *op;
}

}  // namespace

KernelGrid::KernelGrid(const KernelTable& table, const TableBase& base)
    : table_(table), base_(base), op_(operator_of(table)), fixed_(shape_of(table.fixed)) {
  double least = std::numeric_limits<double>::infinity();
  for (const double time : table.microseconds)
    if (time > 0) least = std::min(least, time);
  floor_ = std::isfinite(least) ? least * kMicrosecond * kFloorShare : 0;
  for (const TableAxis& axis : table.axes) {
    Side side{axis.values, {}};
    for (size_t line = 0; line < axis.values.size(); ++line) side.lines.push_back(line);
    sides_.push_back(std::move(side));
  }
}

void KernelGrid::thin(unsigned axes) {
  for (size_t axis = 0; axis < sides_.size(); ++axis) {
    if ((axes >> axis & 1U) == 0) continue;
    Side kept;
    for (size_t line = 0; line < sides_[axis].values.size(); ++line)
      if (!is_left_out(line, sides_[axis].values.size())) {
        kept.values.push_back(sides_[axis].values[line]);
        kept.lines.push_back(sides_[axis].lines[line]);
      }
    sides_[axis] = std::move(kept);
  }
}

std::vector<KernelGrid::Point> KernelGrid::left_out(unsigned axes) const {
  std::vector<Point> points;
  for (size_t place = 0; place < table_.microseconds.size(); ++place) {
    Point at{1, 1, 1};
    bool chosen = table_.microseconds[place] > 0;
    size_t rest = place;
    for (size_t axis = table_.axes.size(); axis-- > 0;) {
      const auto& values = table_.axes[axis].values;
      const size_t line = rest % values.size();
      rest /= values.size();
      at[axis] = values[line];
      if ((axes >> axis & 1U) != 0) chosen = chosen && is_left_out(line, values.size());
    }
    if (chosen) points.push_back(at);
  }
  return points;
}

OpShape KernelGrid::shape_at(const Point& at) const {
  std::map<std::string, int64_t> dimensions = table_.fixed;
  for (size_t axis = 0; axis < table_.axes.size(); ++axis)
    if (const std::string& name = table_.axes[axis].name; name != kRows && name != kSequences)
      dimensions[name] = at[axis];
  return shape_of(dimensions);
}

int64_t KernelGrid::rows_at(const Point& at) const {
  int64_t rows = 1;
  for (size_t axis = 0; axis < table_.axes.size(); ++axis) {
    if (table_.axes[axis].name == kRows) rows *= at[axis];
    if (table_.axes[axis].name == kSequences) rows *= at[axis] * shape_at(at).sequence;
  }
  return rows;
}

std::span<const int64_t> KernelGrid::values(const std::string& axis) const {
  for (const TableAxis& candidate : table_.axes)
    if (candidate.name == axis) return candidate.values;
  return {};
}

double KernelGrid::factor_at(const Point& lines) const {
  size_t place = 0;
  Point at{1, 1, 1};
  for (size_t axis = 0; axis < sides_.size(); ++axis) {
    const auto line = static_cast<size_t>(lines[axis]);
    place = place * table_.axes[axis].values.size() + sides_[axis].lines[line];
    at[axis] = sides_[axis].values[line];
  }
  if (table_.microseconds[place] <= 0) return 0;
  const StoredAs stored{table_.activations, table_.weights};
  return table_.microseconds[place] * kMicrosecond /
         base_.seconds(op_, stored, table_.weights, shape_at(at), rows_at(at), floor_, table_.tile);
}

KernelGrid::Reading KernelGrid::read(const Point& at) const {
  std::array<Between, kMostAxes> sides;
  bool inside = true;
  for (size_t axis = 0; axis < sides_.size(); ++axis) {
    sides[axis] = between(sides_[axis].values, at[axis]);
    inside = inside && sides[axis].inside;
  }
  double sum = 0, weights = 0;
  for (unsigned corner = 0; corner < 1U << sides_.size(); ++corner) {
    Point lines{};
    double weight = 1;
    for (size_t axis = 0; axis < sides_.size(); ++axis) {
      const bool above = (corner >> axis & 1U) != 0;
      lines[axis] = static_cast<int64_t>(above ? sides[axis].above : sides[axis].below);
      weight *= above ? sides[axis].share : 1 - sides[axis].share;
    }
    if (weight <= 0) continue;
    if (const double factor = factor_at(lines); factor > 0) sum += weight * std::log(factor), weights += weight;
  }
  constexpr double kMostMissing = 0.5;  // share of a cell whose corners were not measured
  if (weights < kMostMissing) return nearest(at);
  return {std::exp(sum / weights), inside};
}

KernelGrid::Reading KernelGrid::nearest(const Point& at) const {
  double least = std::numeric_limits<double>::infinity(), factor = 1;
  Point lines{};
  const auto visit = [&](auto&& self, size_t axis, double far) -> void {
    if (axis == sides_.size()) {
      if (const double found = factor_at(lines); found > 0 && far < least) least = far, factor = found;
      return;
    }
    for (size_t line = 0; line < sides_[axis].values.size(); ++line) {
      const double step = std::log(static_cast<double>(at[axis]) / static_cast<double>(sides_[axis].values[line]));
      lines[axis] = static_cast<int64_t>(line);
      if (far + step * step < least) self(self, axis + 1, far + step * step);
    }
  };
  visit(visit, 0, 0);
  return {factor, false};
}

}  // namespace moesaic
