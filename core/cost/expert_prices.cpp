// How the rows of one GPU's experts are read from a table.

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "core/cost/table_prices.h"

namespace moesaic {
namespace {

/// A curve at some number of rows: the logarithms of seconds over the model's, and of the skew.
struct Place {
  double factor = 0, skew = 0;
};

Place place_on(const ExpertCurve& curve, double rows) {
  const auto log_factor = [&](size_t i) { return std::log(curve.microseconds[i] / curve.modelled_microseconds[i]); };
  const auto above =
      static_cast<size_t>(std::lower_bound(curve.rows.begin(), curve.rows.end(), rows) - curve.rows.begin());
  if (above == 0 || above == curve.rows.size()) {
    const size_t edge = above == 0 ? 0 : above - 1;
    return {log_factor(edge), std::log(curve.skew[edge])};
  }
  const size_t below = above - 1;
  const double share = std::log(rows / curve.rows[below]) / std::log(curve.rows[above] / curve.rows[below]);
  const auto mixed = [share](double low, double high) { return low + share * (high - low); };
  return {mixed(log_factor(below), log_factor(above)), mixed(std::log(curve.skew[below]), std::log(curve.skew[above]))};
}

/// Whatever the skew.
double least_factor(const ExpertTable& table, double rows) {
  double least = std::numeric_limits<double>::max();
  for (const ExpertCurve& curve : table.curves) least = std::min(least, place_on(curve, rows).factor);
  return std::exp(least);
}

/// Between the two curves whose skews enclose that of the rows; at the ends the outermost one.
double factor_between(std::vector<Place> places, double skew) {
  std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) { return a.skew < b.skew; });
  if (skew <= places.front().skew) return std::exp(places.front().factor);
  for (size_t i = 1; i < places.size(); ++i) {
    if (skew > places[i].skew) continue;
    const double share = (skew - places[i - 1].skew) / (places[i].skew - places[i - 1].skew);
    return std::exp(places[i - 1].factor + share * (places[i].factor - places[i - 1].factor));
  }
  return std::exp(places.back().factor);
}

}  // namespace

double skew_of(std::span<const int64_t> slot_rows) {
  double rows = 0, squares = 0;
  for (const int64_t slot : slot_rows) {
    rows += static_cast<double>(slot);
    squares += static_cast<double>(slot) * static_cast<double>(slot);
  }
  return static_cast<double>(slot_rows.size()) * squares / (rows * rows);
}

double expert_factor(const ExpertTable& table, double rows, double skew) {
  std::vector<Place> places;
  for (const ExpertCurve& curve : table.curves) places.push_back(place_on(curve, rows));
  return factor_between(std::move(places), std::log(skew));
}

ExpertPrices::ExpertPrices(const ExpertTable& table, const TableBase& base, StoredAs stored, const OpShape& shape,
                           Likeness likeness)
    : table_(table), base_(base), stored_(stored), shape_(shape), likeness_(likeness) {}

ExpertPrices::Reading ExpertPrices::read(std::span<const int64_t> slot_rows) const {
  double rows = 0;
  for (const int64_t slot : slot_rows) rows += static_cast<double>(slot);
  if (rows <= 0) return {};
  const auto slots = static_cast<double>(slot_rows.size());
  const double rows_there = rows * static_cast<double>(table_.slots) / slots;
  bool inside = true;
  for (const ExpertCurve& curve : table_.curves)
    inside = inside && rows_there >= curve.rows.front() && rows_there <= curve.rows.back();
  const bool same = likeness_ == Likeness::same && table_.weights == stored_.weights && table_.hidden == shape_.k &&
                    table_.intermediate == shape_.n && table_.slots == static_cast<int64_t>(slot_rows.size());
  return {
      expert_factor(table_, rows_there, skew_of(slot_rows)) * base_.experts(stored_, table_.weights, shape_, slot_rows),
      !same    ? Likeness::different
      : inside ? Likeness::same
               : Likeness::beyond};
}

// From one number of rows to the next, the model's seconds at the first times the least factor of both is below all
// between: the model grows with the rows, and factors have their extremes at the points of curves, which all count.
Seconds ExpertPrices::least(int64_t least_rows, int64_t most_rows, int64_t most_in_slot, int64_t slots) const {
  constexpr double kStep = 1.02;
  const double there = static_cast<double>(table_.slots) / static_cast<double>(slots);
  std::vector<double> rows = {static_cast<double>(most_rows)};
  for (auto at = static_cast<double>(least_rows); at < rows.front(); at = std::max(at + 1, at * kStep))
    rows.push_back(at);
  for (const ExpertCurve& curve : table_.curves)
    for (const double point : curve.rows)
      if (point / there > static_cast<double>(least_rows) && point / there < rows.front())
        rows.push_back(point / there);
  std::sort(rows.begin(), rows.end());
  Seconds least = std::numeric_limits<Seconds>::max();
  double factor = least_factor(table_, rows.front() * there);
  for (size_t i = 0; i < rows.size(); ++i) {
    const double next = i + 1 < rows.size() ? least_factor(table_, rows[i + 1] * there) : factor;
    const double active = std::max(1.0, rows[i] / static_cast<double>(std::max<int64_t>(1, most_in_slot)));
    least = std::min(least,
                     std::min(factor, next) * base_.least_of_experts(stored_, table_.weights, shape_, rows[i], active));
    factor = next;
  }
  return least;
}

Seconds ExpertPrices::least_per_row() const {
  double least = 1;
  for (const ExpertCurve& curve : table_.curves)
    for (size_t i = 0; i < curve.rows.size(); ++i)
      least = std::min(least, curve.microseconds[i] / curve.modelled_microseconds[i]);
  return least * (flops_of(Op::experts, shape_, 1) / base_.flops_per_s(table_.weights) +
                  traffic_of(Op::experts, shape_, 1, 0, stored_) / base_.bytes_per_s());
}

}  // namespace moesaic
