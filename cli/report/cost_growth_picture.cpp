// Two columns, the cluster and the model grow; two rows, core seconds and memory: a curve per engine and routing, on
// logarithmic axes, where a power of the size is a straight line.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "cli/report/picture.h"
#include "cli/report/svg.h"
#include "core/schema/formatted.h"
#include "core/schema/object_reader.h"

namespace moesaic {
namespace {

constexpr double kGrowthLeft = 74, kGrowthTop = 62, kGrowthPanelWidth = 398, kGrowthPanelHeight = 200,
                 kGrowthColumnGap = 72, kGrowthRowGap = 42, kGrowthBottom = 48;
constexpr const char* kEngineColours[] = {"warm", "accent", "cool", "plain"};  // in the order of the rows

constexpr NumberRange kDrawable{1e-9, 1e15};  // seconds, bytes: a logarithmic axis has no zero

struct Row {
  std::string engine;
  double zipf = 0, gpus = 0, layers = 0, core_seconds = 0, megabytes = 0;
};

Row read_row(ObjectReader reader) {
  Row row;
  row.engine = reader["engine"].text();
  row.zipf = reader["zipf_exponent"].number(kNotNegative);
  row.gpus = reader["gpus"].number(kPositive), row.layers = reader["layers"].number(kPositive);
  row.core_seconds = reader["core_s"].number(kDrawable);
  row.megabytes = reader["peak_bytes"].number(kDrawable) / 1e6;
  return row;
}

struct Curve {
  std::string name, colour;
  bool uniform = true;
  std::vector<Row> rows;

  std::string look() const { return colour + (uniform ? " dashed" : " thick"); }
};

/// By engine and routing, as they come.
std::vector<Curve> curves_of(const std::vector<Row>& rows) {
  std::vector<Curve> curves;
  std::vector<std::string> engines;
  for (const Row& row : rows) {
    const std::string name = row.engine + (row.zipf == 0 ? ", uniform routing" : formatted(", Zipf %.1f", row.zipf));
    auto curve = std::find_if(curves.begin(), curves.end(), [&](const Curve& c) { return c.name == name; });
    if (curve == curves.end()) {
      if (std::find(engines.begin(), engines.end(), row.engine) == engines.end()) engines.push_back(row.engine);
      const auto engine = static_cast<size_t>(std::find(engines.begin(), engines.end(), row.engine) - engines.begin());
      curve =
          curves.insert(curves.end(), {name, kEngineColours[engine % std::size(kEngineColours)], row.zipf == 0, {}});
    }
    curve->rows.push_back(row);
  }
  return curves;
}

/// 1, 2 and 5 times powers of ten, from the last that is not above the values to the first that is not below them.
struct Scale {
  std::vector<double> ticks;

  static Scale around(const std::vector<Row>& rows, double Row::*figure) {
    const auto [least, most] = std::minmax_element(rows.begin(), rows.end(),
                                                   [&](const Row& a, const Row& b) { return a.*figure < b.*figure; });
    Scale scale;
    for (double power = std::pow(10, std::floor(std::log10((*least).*figure)));; power *= 10)
      for (const double digit : {1, 2, 5}) {
        if (digit * power <= (*least).*figure) scale.ticks.clear();
        scale.ticks.push_back(digit * power);
        if (scale.ticks.size() > 1 && digit * power >= (*most).*figure) return scale;
      }
  }
  /// 0 at the first tick, 1 at the last.
  double place(double value) const { return std::log(value / ticks.front()) / std::log(ticks.back() / ticks.front()); }
};

struct GrowthPanel {
  Svg& svg;
  Point origin;  // lower left corner of the plot
  double Row::*size;
  double Row::*figure;
  std::vector<double> sizes;
  Scale scale;
  const char* unit;

  Point at(double x, double y) const {
    const double first = sizes.front(), last = std::max(sizes.back(), first * 2);
    return {origin.x + kGrowthPanelWidth * std::log(x / first) / std::log(last / first),
            origin.y - kGrowthPanelHeight * scale.place(y)};
  }

  void axes() {
    for (const double tick : scale.ticks) {
      const double y = at(sizes.front(), tick).y;
      svg.line({{origin.x, y}, {origin.x + kGrowthPanelWidth, y}}, "grid thin");
      svg.text({origin.x - 8, y + 4}, formatted("%g", tick), "muted small end");
    }
    for (const double value : sizes)
      svg.text({at(value, scale.ticks.front()).x, origin.y + 17}, formatted("%g", value), "muted small middle");
  }

  void draw(const Curve& curve) {
    std::vector<Point> points;
    for (const Row& row : curve.rows) points.push_back(at(row.*size, row.*figure));
    svg.line(points, curve.look());
    for (size_t i = 0; i < points.size(); ++i) {
      const Row& row = curve.rows[i];
      svg.dot(
          points[i], curve.colour,
          formatted("%s: %.3g %s at %g GPUs, %g layers", curve.name.c_str(), row.*figure, unit, row.gpus, row.layers));
    }
  }
};

/// The rows along one axis by size: those where the other one stays.
std::vector<Row> along(const std::vector<Row>& rows, double Row::*size, double Row::*fixed, double value) {
  std::vector<Row> some;
  for (const Row& row : rows)
    if (row.*fixed == value) some.push_back(row);
  std::stable_sort(some.begin(), some.end(), [&](const Row& a, const Row& b) { return a.*size < b.*size; });
  return some;
}

void draw_panel(Svg& svg, Point origin, const std::vector<Row>& all, const std::vector<Row>& rows, double Row::*size,
                double Row::*figure, const char* unit) {
  std::vector<double> sizes;
  for (const Row& row : rows)
    if (sizes.empty() || sizes.back() != row.*size) sizes.push_back(row.*size);
  GrowthPanel panel{svg, origin, size, figure, sizes, Scale::around(all, figure), unit};
  panel.axes();
  for (const Curve& curve : curves_of(rows)) panel.draw(curve);
}

void draw_legend_of_engines(Svg& svg, const std::vector<Curve>& curves) {
  double x = kGrowthLeft;
  for (const Curve& curve : curves) {
    svg.line({{x, 16}, {x + 26, 16}}, curve.look());
    svg.text({x + 33, 20}, curve.name, "ink");
    x += 33 + 6.6 * static_cast<double>(curve.name.size()) + 26;  // 6.6: mean width of a letter
  }
}

}  // namespace

Picture cost_growth_picture(const Json& result, const std::string& file) {
  ObjectReader reader = open_document(result, file, "", "result");
  const std::vector<Row> all = reader["rows"].objects(read_row);
  if (all.empty()) reader["rows"].refuse("has no rows", "one per step and engine");
  const double layers = reader["layers_of_clusters"].number(kPositive),
               gpus = reader["gpus_of_models"].number(kPositive);
  Picture picture{"What does simulating cost?",
                  formatted("Core seconds of lowering and simulating a step, medians of %g; largest resident set of "
                            "the process.",
                            reader["rounds"].number(kPositive)),
                  ""};
  const double second = kGrowthTop + 2 * kGrowthPanelHeight + kGrowthRowGap;
  Svg svg(kPictureWidth, second + kGrowthBottom, picture.title + " Core seconds and memory against GPUs and layers");
  draw_legend_of_engines(svg, curves_of(all));
  const struct {
    std::string title, axis;
    double Row::*size;
    std::vector<Row> rows;
  } columns[] = {{formatted("%g layers, the cluster grows", layers), "GPUs", &Row::gpus,
                  along(all, &Row::gpus, &Row::layers, layers)},
                 {formatted("%g GPUs, the model grows", gpus), "layers", &Row::layers,
                  along(all, &Row::layers, &Row::gpus, gpus)}};
  double x = kGrowthLeft;
  for (const auto& column : columns) {
    if (column.rows.empty()) reader["rows"].refuse("has no row of: " + column.title);
    svg.text({x, kGrowthTop - 14}, column.title, "ink bold");
    draw_panel(svg, {x, kGrowthTop + kGrowthPanelHeight}, all, column.rows, column.size, &Row::core_seconds, "core s");
    draw_panel(svg, {x, second}, all, column.rows, column.size, &Row::megabytes, "MB");
    svg.text({x + kGrowthPanelWidth / 2, second + 36}, column.axis, "muted middle");
    x += kGrowthPanelWidth + kGrowthColumnGap;
  }
  svg.text({18, kGrowthTop + kGrowthPanelHeight / 2}, "core seconds", "muted middle upright");
  svg.text({18, second - kGrowthPanelHeight / 2}, "memory (MB)", "muted middle upright");
  picture.svg = svg.document();
  return picture;
}

}  // namespace moesaic
