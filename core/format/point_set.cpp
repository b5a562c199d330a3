#include "core/format/point_set.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace moesaic {

double rounded(double value, int digits) {
  if (value == 0) return 0;
  const double scale = std::pow(10, digits - 1 - std::floor(std::log10(std::abs(value))));
  return scale >= 1 ? std::round(value * scale) / scale : std::round(value);
}

void PointSet::add(const std::vector<int64_t>& at, double milliseconds) {
  const auto [known, is_new] = points_.try_emplace(at, milliseconds);
  if (!is_new) known->second = std::min(known->second, milliseconds);
}

void PointSet::put_into(KernelTable& table) const {
  std::vector<std::set<int64_t>> lines(axes_.size());
  for (const auto& [at, time] : points_)
    for (size_t axis = 0; axis < axes_.size(); ++axis) lines[axis].insert(at[axis]);
  size_t points = 1;
  table.axes.clear();
  for (size_t axis = 0; axis < axes_.size(); ++axis) {
    table.axes.push_back({axes_[axis], {lines[axis].begin(), lines[axis].end()}});
    points *= lines[axis].size();
  }
  table.microseconds.assign(points, 0);
  for (const auto& [at, time] : points_) {
    size_t place = 0;
    for (size_t axis = 0; axis < axes_.size(); ++axis) {
      const auto& values = table.axes[axis].values;
      const auto line = std::lower_bound(values.begin(), values.end(), at[axis]) - values.begin();
      place = place * values.size() + static_cast<size_t>(line);
    }
    constexpr double kMicrosecondsPerMillisecond = 1000;
    table.microseconds[place] = rounded(time * kMicrosecondsPerMillisecond);
  }
}

}  // namespace moesaic
