#pragma once
// A measured kernel between the shapes of its grid: the efficiency is interpolated over the logarithm of every
// dimension.

#include <array>
#include <span>
#include <vector>

#include "core/cost/table_base.h"
#include "core/schema/kernel_tables.h"

namespace moesaic {

inline constexpr size_t kMostAxes = 3;

class KernelGrid {
 public:
  /// `table` must outlive it. Throws InputError for an operator, a dimension or a number of axes that does not exist.
  KernelGrid(const KernelTable& table, const TableBase& base);

  /// Where a task stands on the axes. shape: without what the axes say. Unused axes are 1.
  using Point = std::array<int64_t, kMostAxes>;

  struct Reading {
    double factor = 1;    // seconds as multiples of the base
    bool inside = false;  // between measured points
  };
  /// Outside the grid the factor is that of its edge. Where corners of a cell were not measured the others count; where
  /// none was, the nearest point of the grid.
  Reading read(const Point& at) const;

  /// Leaves out every second line, but the last, of every axis whose bit is set in `axes`: for judging the reading by
  /// what it left out.
  void thin(unsigned axes);
  /// Measured points of the table on lines that thin(axes) leaves out, of all these axes at once.
  std::vector<Point> left_out(unsigned axes) const;
  static bool is_left_out(size_t line, size_t num_lines) { return line % 2 == 1 && line + 1 < num_lines; }

  Op op() const { return op_; }
  const KernelTable& table() const { return table_; }
  Seconds floor() const { return floor_; }
  /// The operator's dimensions and rows at a point of the grid.
  OpShape shape_at(const Point& at) const;
  int64_t rows_at(const Point& at) const;
  /// Values along an axis by its name; none where the grid has no such axis.
  std::span<const int64_t> values(const std::string& axis) const;

 private:
  struct Side {  // one axis, the lines that count
    std::vector<int64_t> values;
    std::vector<size_t> lines;  // their places in the table
  };
  double factor_at(const Point& lines) const;  // 0: not measured
  Reading nearest(const Point& at) const;

  const KernelTable& table_;
  TableBase base_;
  Op op_;
  OpShape fixed_;
  Seconds floor_ = 0;
  std::vector<Side> sides_;
};

}  // namespace moesaic
