#pragma once
// Measured points in any order, put on the grid that they span.

#include <map>
#include <string>
#include <vector>

#include "core/schema/kernel_tables.h"

namespace moesaic {

/// Points with two or three coordinates. Of several measurements of one point the least counts.
class PointSet {
 public:
  explicit PointSet(std::vector<std::string> axes) : axes_(std::move(axes)) {}
  void add(const std::vector<int64_t>& at, double milliseconds);
  bool empty() const { return points_.empty(); }
  /// Fills the axes and times of a table; what was not measured is 0.
  void put_into(KernelTable& table) const;

 private:
  std::vector<std::string> axes_;
  std::map<std::vector<int64_t>, double> points_;
};

/// To significant digits: four are what a repeated measurement would keep, and a third of the file's size.
double rounded(double value, int digits = 4);

}  // namespace moesaic
