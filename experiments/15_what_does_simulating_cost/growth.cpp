// What the rows of a result say: cost by size, and how fast it grows.
#include <algorithm>
#include <cmath>

#include "experiments/15_what_does_simulating_cost/study.h"

namespace moesaic::experiments {
namespace {

double order_of_growth(double middle, double last, double middle_size, double last_size) {
  return std::log(last / middle) / std::log(last_size / middle_size);
}

CostGrowth growth_of(const std::vector<CostRow>& rows, const std::string& axis) {
  const auto size = [&](const CostRow& row) { return axis == "gpus" ? row.gpus : row.layers; };
  const CostRow &first = rows.front(), &middle = rows[rows.size() / 2], &last = rows.back();
  CostGrowth growth{first.engine, first.zipf_exponent, axis, size(first), size(last)};
  growth.smallest_core_s = first.core_s, growth.largest_core_s = last.core_s;
  growth.smallest_bytes = first.peak_bytes, growth.largest_bytes = last.peak_bytes;
  if (size(middle) == size(last)) return growth;
  growth.order_of_core_s = order_of_growth(middle.core_s, last.core_s, size(middle), size(last));
  growth.order_of_bytes = order_of_growth(static_cast<double>(middle.peak_bytes), static_cast<double>(last.peak_bytes),
                                          size(middle), size(last));
  return growth;
}

bool same_step(const CostRow& a, const CostRow& b) {
  return a.gpus == b.gpus && a.layers == b.layers && a.zipf_exponent == b.zipf_exponent;
}

}  // namespace

std::vector<CostRow> rows_along(const CostResult& result, const std::string& axis, const std::string& engine,
                                double zipf_exponent) {
  std::vector<CostRow> rows;
  for (const CostRow& row : result.rows)
    if (row.engine == engine && row.zipf_exponent == zipf_exponent &&
        (axis == "gpus" ? row.layers == result.layers_of_clusters : row.gpus == result.gpus_of_models))
      rows.push_back(row);
  std::sort(rows.begin(), rows.end(), [](const CostRow& a, const CostRow& b) {
    return std::pair(a.gpus, a.layers) < std::pair(b.gpus, b.layers);
  });
  return rows;
}

void summarize_costs(CostResult& result) {
  result.summary.clear();
  result.widest_difference_of_engines = 0;
  for (const CostRow& row : result.rows) {
    for (const char* axis : {"gpus", "layers"}) {
      const std::vector<CostRow> rows = rows_along(result, axis, row.engine, row.zipf_exponent);
      const auto known = [&](const CostGrowth& growth) {
        return growth.axis == axis && growth.engine == row.engine && growth.zipf_exponent == row.zipf_exponent;
      };
      if (!rows.empty() && std::none_of(result.summary.begin(), result.summary.end(), known))
        result.summary.push_back(growth_of(rows, axis));
    }
    const auto first = std::find_if(result.rows.begin(), result.rows.end(),
                                    [&](const CostRow& other) { return same_step(other, row); });
    result.widest_difference_of_engines =
        std::max(result.widest_difference_of_engines, std::abs(row.step_s / first->step_s - 1));
  }
}

}  // namespace moesaic::experiments
