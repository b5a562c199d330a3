// Routed experts of the package: times of whole layers, and what the model of core/cost says of the rows that were
// drawn.

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "core/cost/table_prices.h"
#include "core/format/csv.h"
#include "core/format/kernel_package.h"
#include "core/format/point_set.h"
#include "core/routing/drawn_rows.h"

namespace moesaic {
namespace {

struct Layer {
  DType weights = DType::bf16;
  bool gated = true;
  int64_t hidden = 0, intermediate = 0, num_experts = 0, top_k = 0, tp = 0, ep = 0;
  auto operator<=>(const Layer&) const = default;
};
using Times = std::map<int64_t, double>;  // milliseconds by tokens
using Routings = std::map<std::string, Times>;

/// An engine has several kernels for a shape and takes the fastest: the least time of a point counts.
std::map<Layer, Routings> layers_of(const CsvTable& csv, std::map<std::string, int64_t>& others) {
  constexpr int64_t kMostCuts = 4;  // narrower slices are read from these: the file would grow by a third
  std::map<Layer, Routings> layers;
  for (size_t line = 0; line < csv.size(); ++line) {
    const auto weights = weights_of(csv.text(line, "moe_dtype"));
    if (!weights) ++others[csv.text(line, "moe_dtype")];
    const Layer layer{
        weights.value_or(DType::bf16),    csv.text(line, "kernel_source").find("nongated") == std::string::npos,
        csv.integer(line, "hidden_size"), csv.integer(line, "inter_size"),
        csv.integer(line, "num_experts"), csv.integer(line, "topk"),
        csv.integer(line, "moe_tp_size"), csv.integer(line, "moe_ep_size")};
    if (!weights || layer.tp > kMostCuts) continue;
    Times& times = layers[layer][csv.text(line, "distribution")];
    const auto [time, is_new] = times.try_emplace(csv.integer(line, "num_tokens"), csv.number(line, "latency"));
    if (!is_new) time->second = std::min(time->second, csv.number(line, "latency"));
  }
  return layers;
}

/// As the package's collectors draw: several times, and the mean time is in the table.
std::vector<std::vector<int64_t>> rows_of(const std::string& routing, const Layer& layer, int64_t tokens) {
  constexpr uint64_t kDraws = 5;
  const auto experts = static_cast<int>(layer.num_experts), top_k = static_cast<int>(layer.top_k),
             ep = static_cast<int>(layer.ep);
  if (routing == "balanced") return {balanced_rows(tokens, experts, top_k, ep)};
  const double alpha = std::stod(routing.substr(routing.rfind('_') + 1));
  std::vector<std::vector<int64_t>> drawn;
  for (uint64_t draw = 0; draw < kDraws; ++draw)
    drawn.push_back(power_law_rows(tokens, experts, top_k, ep, alpha, draw));
  return drawn;
}

struct Point {
  double rows = 0, log_skew = 0, microseconds = 0;
};

/// The model's time holds what permuting and unpermuting move, which the measured layers do as well.
Point modelled(const Layer& layer, int64_t tokens, const std::vector<std::vector<int64_t>>& drawn,
               const TableBase& base) {
  OpShape shape;
  shape.n = layer.intermediate / layer.tp, shape.k = layer.hidden, shape.gated = layer.gated;
  const StoredAs stored{DType::bf16, layer.weights};
  Point mean;
  for (const auto& slots : drawn) {
    const auto rows = static_cast<double>(std::accumulate(slots.begin(), slots.end(), int64_t{0}));
    const auto share = 1 / static_cast<double>(drawn.size());
    mean.rows += share * rows;
    mean.log_skew += share * (rows > 0 ? std::log(skew_of(slots)) : 0);
    constexpr double kMicroseconds = 1e6;
    // Permuting and unpermuting: tokens in and out, rows written and read by each of them, in bf16.
    constexpr double kBytes = 2, kTokenPasses = 2, kRowPasses = 4;
    const double moved =
        kBytes * static_cast<double>(layer.hidden) * (kTokenPasses * static_cast<double>(tokens) + kRowPasses * rows);
    mean.microseconds +=
        share * kMicroseconds * (base.experts(stored, layer.weights, shape, slots) + moved / base.bytes_per_s());
  }
  return mean;
}

ExpertCurve curve_of(const std::string& routing, const Layer& layer, const Times& times, const TableBase& base) {
  ExpertCurve curve;
  curve.routing = routing;
  for (const auto& [tokens, milliseconds] : times) {
    const Point point = modelled(layer, tokens, rows_of(routing, layer, tokens), base);
    constexpr int kModelDigits = 3;
    const bool ascends = curve.rows.empty() || rounded(point.rows, kModelDigits) > curve.rows.back();
    if (point.rows <= 0 || !ascends) continue;
    constexpr double kMicrosecondsPerMillisecond = 1000;
    curve.rows.push_back(rounded(point.rows, kModelDigits));
    curve.skew.push_back(rounded(std::exp(point.log_skew), kModelDigits));
    curve.modelled_microseconds.push_back(rounded(point.microseconds, kModelDigits));
    curve.microseconds.push_back(rounded(milliseconds * kMicrosecondsPerMillisecond));
  }
  return curve;
}

double median_factor(const ExpertCurve& curve) {
  std::vector<double> factors;
  for (size_t i = 0; i < curve.rows.size(); ++i)
    factors.push_back(curve.microseconds[i] / curve.modelled_microseconds[i]);
  std::nth_element(factors.begin(), factors.begin() + static_cast<std::ptrdiff_t>(factors.size() / 2), factors.end());
  return factors[factors.size() / 2];
}

/// A whole curve that takes over twice what the same kernels take under other routings is no cost of skew: some series
/// of the package were taken without tuned kernels.
int64_t drop_untuned(ExpertTable& table) {
  constexpr double kMost = 2;
  double least = median_factor(table.curves.front());
  for (const ExpertCurve& curve : table.curves) least = std::min(least, median_factor(curve));
  return static_cast<int64_t>(
      std::erase_if(table.curves, [least](const ExpertCurve& c) { return median_factor(c) > kMost * least; }));
}

}  // namespace

void read_experts(const std::string& folder, const Device& device, ImportedTables& imported) {
  const PackageTable table = find_table(folder, "moe", "moe_perf", [](const std::string& file) {
    const CsvTable csv(file);
    std::set<std::string> routings;
    for (size_t line = 0; line < csv.size(); ++line) routings.insert(csv.text(line, "distribution"));
    return routings.count("balanced") > 0 && routings.size() > 1;
  });
  if (table.file.empty()) {
    imported.left_out.emplace_back("moe_perf: no table with balanced and skewed routing");
    return;
  }
  const TableBase base{device};
  std::map<std::string, int64_t> others;
  int64_t untuned = 0;
  for (const auto& [layer, routings] : layers_of(CsvTable(table.file), others)) {
    ExpertTable experts;
    experts.weights = layer.weights, experts.gated = layer.gated, experts.source = table.source;
    experts.hidden = layer.hidden, experts.intermediate = layer.intermediate / layer.tp;
    experts.slots = layer.num_experts / layer.ep;
    for (const auto& [routing, times] : routings)
      if (ExpertCurve curve = curve_of(routing, layer, times, base); !curve.rows.empty())
        experts.curves.push_back(std::move(curve));
    if (experts.curves.empty()) continue;
    untuned += drop_untuned(experts);
    imported.tables.experts.push_back(std::move(experts));
  }
  for (const auto& [dtype, lines] : others)
    imported.left_out.push_back("moe_perf " + dtype + ": " + std::to_string(lines) + " lines");
  if (untuned > 0)
    imported.left_out.push_back("moe_perf: " + std::to_string(untuned) +
                                " curves of one routing that take over twice the time of the others");
}

}  // namespace moesaic
