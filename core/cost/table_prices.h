#pragma once
// Prices from kernel tables: which table speaks for an operator, and what it says of shapes that were not measured.

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "core/cost/kernel_grid.h"
#include "core/schema/profile.h"

namespace moesaic {

/// Whether a table had the shape itself.
enum class Likeness {
  same,      // between the lines of a table with the operator's own dimensions
  beyond,    // outside a table's lines
  different  // from a table of other dimensions, dtypes, another device or the forward kernel, by the ratio of the
             // bases
};

struct TableCurve {
  OperatorCurve curve;  // seconds against rows
  Likeness likeness = Likeness::same;
};

/// slots * sum of squared rows / (sum of rows)^2: 1 where all slots have the same. Of rows, at least one.
double skew_of(std::span<const int64_t> slot_rows);

/// Seconds of a layer's experts over what the model says: interpolated over the logarithms of rows and skew. Outside a
/// curve, and beyond the skews of all curves, that of the edge.
double expert_factor(const ExpertTable& table, double rows, double skew);

/// How the rows of one GPU's experts are priced.
class ExpertPrices {
 public:
  struct Reading {
    Seconds seconds = 0;
    Likeness likeness = Likeness::same;
  };
  /// `likeness`: the most that a reading may claim.
  ExpertPrices(const ExpertTable& table, const TableBase& base, StoredAs stored, const OpShape& shape,
               Likeness likeness);

  /// Without permuting and unpermuting, which are operators of their own. slot_rows: [slots].
  Reading read(std::span<const int64_t> slot_rows) const;
  /// No vector of rows costs less a row.
  Seconds least_per_row() const;
  /// No vector costs less whose rows lie between these, with at most `most_in_slot` in one slot.
  Seconds least(int64_t least_rows, int64_t most_rows, int64_t most_in_slot, int64_t slots) const;

 private:
  const ExpertTable& table_;
  TableBase base_;
  StoredAs stored_;
  OpShape shape_;
  Likeness likeness_;
};

class TablePrices {
 public:
  TablePrices(std::shared_ptr<const KernelTables> tables, const Device& device);

  /// Null for operators without a table. Products and attention: dgrad and wgrad are read as the products that they
  /// are: dx [m, k] = dy [m, n] w, and dw [n, k] = dy^T x with m as the inner dimension.
  std::shared_ptr<const TableCurve> curve(Op op, StoredAs stored, const OpShape& shape) const;
  /// Nothing without a table of experts. The gradients of experts cost what the same products cost forward.
  std::optional<ExpertPrices> experts(StoredAs stored, const OpShape& shape, int64_t slots) const;
  Seconds least_per_row(StoredAs stored, const OpShape& shape) const;

 private:
  std::shared_ptr<const TableCurve> read_curve_of(Op op, StoredAs stored, const OpShape& shape) const;
  const KernelGrid* grid_for(Op op, StoredAs stored, const OpShape& shape) const;

  std::shared_ptr<const KernelTables> tables_;
  TableBase base_;     // of the device that is priced
  Likeness likeness_;  // different: it is not the one that was measured, or its rates were edited
  std::vector<KernelGrid> grids_;
  mutable std::mutex reading_;
  mutable std::map<std::string, std::shared_ptr<const TableCurve>> curves_;  // that were asked for
};

/// The tables of a profile on a device, made ready once per process; null where the profile has none.
std::shared_ptr<const TablePrices> table_prices(const TablesReference& reference, const Device& device);

}  // namespace moesaic
