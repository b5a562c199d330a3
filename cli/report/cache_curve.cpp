// Small multiples, a panel per trace: hit rate over capacity for the policies that the paper names or that bound it.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/report/picture.h"
#include "cli/report/svg.h"
#include "core/schema/formatted.h"
#include "core/schema/object_reader.h"

namespace moesaic {
namespace {

struct Policy {
  const char *key, *name, *look;
};
constexpr Policy kPolicies[] = {{"min", "Belady's MIN, which knows the future", "plain dotted"},
                                {"lfu", "LFU", "cool dashed"},
                                {"lru", "LRU", "warm"},
                                {"algorithm_2", "Algorithm 2 of SE-MoE", "accent thick"}};

constexpr int kCurveColumns = 3;
constexpr double kCurveLeft = 62, kCurveTop = 52, kCurvePanelWidth = 270, kCurvePanelHeight = 150, kCurveColumnGap = 31,
                 kCurveRowGap = 56;

struct CurvePanel {
  Svg& svg;
  Point origin;  // lower left corner of the plot: 0 % of the experts, hit rate 0

  Point at(double capacity, double rate) const {
    return {origin.x + kCurvePanelWidth * capacity / 100, origin.y - kCurvePanelHeight * rate};
  }

  void axes(const std::string& title, bool leftmost) {
    svg.text({origin.x, origin.y - kCurvePanelHeight - 10}, title, "ink bold");
    for (const int percent : {0, 25, 50, 75, 100}) {
      svg.line({at(0, percent / 100.0), at(100, percent / 100.0)}, "grid thin");
      if (leftmost) svg.text({origin.x - 8, at(0, percent / 100.0).y + 4}, std::to_string(percent), "muted small end");
    }
    for (const int percent : {0, 20, 40, 60, 80, 100})
      svg.text({at(percent, 0).x, origin.y + 17}, std::to_string(percent), "muted small middle");
  }

  void curve(const Policy& policy, const std::vector<int64_t>& capacities, const std::vector<double>& rates) {
    std::vector<Point> points;
    for (size_t i = 0; i < rates.size(); ++i) points.push_back(at(static_cast<double>(capacities[i]), rates[i]));
    svg.line(points, policy.look);
    const std::string look(policy.look), colour = look.substr(0, look.find(' '));
    for (size_t i = 0; i < rates.size(); ++i)
      svg.dot(points[i], colour,
              formatted("%s: %.1f %% hits at %d %% of the experts", policy.name, 100 * rates[i],
                        static_cast<int>(capacities[i])));
  }
};

void draw_legend_of_policies(Svg& svg) {
  double x = kCurveLeft;
  for (size_t i = std::size(kPolicies); i-- > 0;) {
    svg.line({{x, 18}, {x + 26, 18}}, kPolicies[i].look);
    svg.text({x + 33, 22}, kPolicies[i].name, "ink");
    x += 33 + 6.6 * static_cast<double>(std::string(kPolicies[i].name).size()) + 26;  // 6.6: mean width of a letter
  }
}

std::vector<double> read_rates(const Field& list, size_t count) {
  if (list.size() != count) list.refuse("has " + std::to_string(list.size()) + " values", "one per capacity");
  return list.numbers({0, 1});
}

}  // namespace

Picture cache_curve(const Json& result, const std::string& file) {
  ObjectReader reader = open_document(result, file, "", "result");
  const std::vector<int64_t> capacities = reader["capacity_percents"].integers({0, 100});
  const Field traces = reader["traces"];
  const auto rows = static_cast<double>((traces.size() + kCurveColumns - 1) / kCurveColumns);
  const double height = kCurveTop + rows * (kCurvePanelHeight + kCurveRowGap) + 16;
  Picture picture{"Which experts stay in host memory?", reader["basis"].text(), ""};
  Svg svg(kPictureWidth, height, picture.title + " Hit rate against the size of the cache");
  draw_legend_of_policies(svg);
  for (size_t i = 0; i < traces.size(); ++i) {
    const auto column = static_cast<double>(i % kCurveColumns), row = static_cast<double>(i / kCurveColumns);
    CurvePanel panel{svg,
                     {kCurveLeft + column * (kCurvePanelWidth + kCurveColumnGap),
                      kCurveTop + (row + 1) * kCurvePanelHeight + row * kCurveRowGap + 14}};
    ObjectReader trace = traces[i].object();
    panel.axes(trace["name"].text(), i % kCurveColumns == 0);
    ObjectReader rates = trace["hit_rate"].object();
    for (const Policy& policy : kPolicies)
      panel.curve(policy, capacities, read_rates(rates[policy.key], capacities.size()));
  }
  svg.text({18, height / 2}, "hit rate (%)", "muted middle upright");
  svg.text({kCurveLeft + (kPictureWidth - kCurveLeft) / 2 - 16, height - 14}, "size of the cache (% of all experts)",
           "muted middle");
  picture.svg = svg.document();
  return picture;
}

}  // namespace moesaic
