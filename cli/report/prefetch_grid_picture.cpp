// Bars on one axis per scenario: the step of each cell, divided into what compute covers and what is exposed.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/report/picture.h"
#include "cli/report/svg.h"
#include "core/schema/object_reader.h"

namespace moesaic {
namespace {

constexpr double kGridLeft = 168, kPlotWidth = 430, kGridTop = 66;
constexpr double kBar = 14, kBarGap = 2, kCellGap = 9, kTitle = 34, kAxis = 52;
constexpr double kFigureColumns[] = {668, 778, 862, 948};  // right ends of the columns of figures
constexpr const char* kSides[] = {"simulated", "measured"};
constexpr const char* kSideNames[] = {"predicted", "measured"};

struct Times {
  double step = 0, communication = 0, transfer = 0;  // seconds
};

struct Cell {
  std::string prefetch;
  std::optional<Times> sides[2];  // predicted, measured
};

struct Scenario {
  std::string name;
  std::vector<Cell> cells;
  double longest = 0;  // step
};

Times read_times(ObjectReader reader) {
  return {reader["step_s"].number(kPositive), reader["exposed_communication_s"].number(kNotNegative),
          reader["exposed_transfer_s"].number(kNotNegative)};
}

std::vector<Scenario> read_scenarios(const Field& list) {
  std::vector<Scenario> scenarios;
  for (size_t i = 0; i < list.size(); ++i) {
    ObjectReader reader = list[i].object();
    Scenario& scenario = scenarios.emplace_back();
    scenario.name = reader["scenario"].text();
    const Field cells = reader["cells"];
    for (size_t c = 0; c < cells.size(); ++c) {
      ObjectReader cell = cells[c].object();
      Cell& into = scenario.cells.emplace_back();
      into.prefetch = cell["prefetch"].text();
      for (const int side : {0, 1}) {
        const Field times = cell[kSides[side]];
        if (!times.present()) continue;
        into.sides[side] = read_times(times.object());
        scenario.longest = std::max(scenario.longest, into.sides[side]->step);
      }
    }
  }
  return scenarios;
}

double height_of(const Cell& cell) {
  return (cell.sides[0] ? kBar + kBarGap : 0) + (cell.sides[1] ? kBar + kBarGap : 0) + kCellGap;
}

double height_of(const Scenario& scenario) {
  double height = kTitle + kAxis;
  for (const Cell& cell : scenario.cells) height += height_of(cell);
  return height;
}

/// Four digits, since neighbouring cells may differ by a third of a per cent.
std::string precise(double seconds) {
  const bool whole = seconds >= 0.99995;
  const double value = whole ? seconds : 1e3 * seconds;
  char text[32];
  std::snprintf(text, sizeof text,
                value >= 1000  ? "%.0f"
                : value >= 100 ? "%.1f"
                : value >= 10  ? "%.2f"
                               : "%.3f",
                value);
  return text + std::string(whole ? " s" : " ms");
}

std::string change(double seconds, double base) {
  char text[32];
  const double percents = 100 * (seconds / base - 1);
  std::snprintf(text, sizeof text, std::abs(percents) < 0.05 ? "0.0 %%" : "%+.1f %%", percents);
  return text;
}

void draw_bar(Svg& svg, double y, double scale, const Times& times, bool measured) {
  const struct {
    const char *look, *name;
    double seconds;
  } parts[] = {{"accent", "compute, idle", times.step - times.communication - times.transfer},
               {"communication", "exposed communication", times.communication},
               {"transfer", "exposed transfers", times.transfer}};
  double x = kGridLeft;
  for (const auto& part : parts) {
    const double width = std::max(part.seconds, 0.0) * scale;
    svg.box({x, y}, width, kBar, std::string(part.look) + (measured ? " fill" : " light"),
            std::string(part.name) + ": " + precise(part.seconds));
    x += width;
  }
}

/// Bars and figures of one side of a cell.
void draw_side(Svg& svg, double y, double scale, const Scenario& scenario, const Cell& cell, int side) {
  const Times& times = *cell.sides[side];
  const double base = y + kBar - 3;
  svg.text({kGridLeft - 8, base}, kSideNames[side], "muted small end");
  draw_bar(svg, y, scale, times, side == 1);
  const std::optional<Times>& none = scenario.cells.front().sides[side];
  const std::string figures[] = {precise(times.step), precise(times.communication), precise(times.transfer),
                                 none && &cell != &scenario.cells.front() ? change(times.step, none->step) : ""};
  for (size_t i = 0; i < std::size(figures); ++i) svg.text({kFigureColumns[i], base}, figures[i], "ink small end");
}

void draw_axis(Svg& svg, double top, double bottom, double longest, double scale) {
  const bool whole = longest >= 2;  // seconds, else milliseconds
  const double unit = whole ? 1 : 1e-3;
  for (const double tick : round_ticks(longest / unit, 8)) {
    const double x = kGridLeft + tick * unit * scale;
    svg.line({{x, top}, {x, bottom}}, "grid thin");
    char label[16];
    std::snprintf(label, sizeof label, "%g", tick);
    svg.text({x, bottom + 14}, label, "muted small middle");
  }
  svg.text({kGridLeft + kPlotWidth / 2, bottom + 30}, whole ? "time of a step (s)" : "time of a step (ms)",
           "muted middle");
}

void draw_scenario(Svg& svg, double y, const Scenario& scenario) {
  const double scale = kPlotWidth / scenario.longest;
  svg.text({16, y + 14}, scenario.name, "ink bold");
  y += kTitle;
  draw_axis(svg, y - 4, y + height_of(scenario) - kTitle - kAxis, scenario.longest, scale);
  for (const Cell& cell : scenario.cells) {
    svg.text({16, y + kBar - 3}, cell.prefetch, "ink");
    for (const int side : {0, 1}) {
      if (!cell.sides[side]) continue;
      draw_side(svg, y, scale, scenario, cell, side);
      y += kBar + kBarGap;
    }
    y += kCellGap;
  }
}

void draw_heading(Svg& svg) {
  double x = 16;
  for (const auto& [look, name, width] : {std::tuple{"accent fill", "compute, idle", 100},
                                          {"communication fill", "exposed communication", 158},
                                          {"transfer fill", "exposed transfers", 124},
                                          {"plain light", "predicted", 82},
                                          {"plain fill", "measured", 0}}) {
    svg.box({x, 12}, 12, 12, look);
    svg.text({x + 18, 22}, name, "ink");
    x += width + 18;
  }
  svg.text({16, 48}, "prefetch", "muted");
  const char* const names[][2] = {
      {"", "step"}, {"exposed", "communication"}, {"exposed", "transfers"}, {"step", "against none"}};
  for (size_t i = 0; i < std::size(kFigureColumns); ++i)
    for (const int line : {0, 1}) svg.text({kFigureColumns[i], 35.0 + 13 * line}, names[i][line], "muted small end");
}

}  // namespace

Picture prefetch_grid_picture(const Json& result, const std::string& file) {
  ObjectReader reader = open_document(result, file, "", "result");
  const std::vector<Scenario> scenarios = read_scenarios(reader["summary"]);
  double height = kGridTop;
  for (const Scenario& scenario : scenarios) height += height_of(scenario);
  Picture picture{
      "What does 2D prefetch hide?",
      "Means over ranks; measured: medians over " + std::to_string(reader["rounds"].integer(kCount)) +
          " rounds. Exposed: no compute task of the rank runs, and a collective, or else a transfer, is open.",
      ""};
  Svg svg(kPictureWidth, height, picture.title + " Step and exposed time of each cell of the grid");
  draw_heading(svg);
  double y = kGridTop;
  for (const Scenario& scenario : scenarios) {
    draw_scenario(svg, y, scenario);
    y += height_of(scenario);
  }
  picture.svg = svg.document();
  return picture;
}

}  // namespace moesaic
