#include "cli/report/svg.h"

#include <cmath>
#include <cstdio>

namespace moesaic {
namespace {

/// The hues of style.css, in its light and its dark scheme.
struct Colour {
  const char *name, *light, *dark;
};
constexpr Colour kColours[] = {{"accent", "#3f7fd1", "#6aa3ea"},        {"warm", "#e08a2e", "#eba556"},
                               {"cool", "#2c8a5f", "#5cc394"},          {"plain", "#66717f", "#96a1af"},
                               {"communication", "#d1495b", "#ea7382"}, {"transfer", "#8a6fc4", "#a892dd"},
                               {"ink", "#1d2530", "#e4e8ed"},           {"muted", "#66717f", "#96a1af"},
                               {"grid", "#e2e6eb", "#2f3741"},          {"card", "#ffffff", "#1c2128"}};

constexpr const char* kShapes =
    ".picture text{font-family:system-ui,'Segoe UI',Roboto,'Noto Sans','DejaVu Sans',sans-serif;font-size:12px}"
    ".picture .bold{font-weight:600;font-size:13px}.picture .small{font-size:11px}.picture .middle{text-anchor:middle}"
    ".picture .end{text-anchor:end}.picture .stroke{fill:none;stroke-width:1.5;stroke-linejoin:round}"
    ".picture .thick{stroke-width:2.8}.picture .thin{stroke-width:1}.picture .dashed{stroke-dasharray:6 3}"
    ".picture .dotted{stroke-dasharray:2 3}.picture .light{fill-opacity:.35;stroke-width:1}";

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

std::string attribute(const char* name, const std::string& value) {
  return std::string(" ") + name + "=\"" + value + "\"";
}

std::string rules(const char* Colour::*scheme) {
  std::string text;
  for (const Colour& colour : kColours) {
    const std::string name = colour.name, value = colour.*scheme;
    text += ".picture text." + name + ",.picture ." + name + ".fill{fill:" + value + "}.picture ." + name +
            ".stroke{stroke:" + value + "}.picture ." + name + ".light{fill:" + value + ";stroke:" + value + "}";
  }
  return text;
}

std::string with_tip(const std::string& tag, const std::string& attributes, const std::string& tip) {
  if (tip.empty()) return "<" + tag + attributes + "/>\n";
  return "<" + tag + attributes + "><title>" + escaped_markup(tip) + "</title></" + tag + ">\n";
}

}  // namespace

Svg::Svg(double width, double height, const std::string& title) {
  body_ = "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"picture\" role=\"img\"" +
          attribute("viewBox", "0 0 " + number(width) + " " + number(height)) + attribute("width", number(width)) +
          attribute("height", number(height)) + ">\n<title>" + escaped_markup(title) + "</title>\n<style>" + kShapes +
          rules(&Colour::light) + "@media (prefers-color-scheme: dark){" + rules(&Colour::dark) + "}</style>\n";
  box({0, 0}, width, height, "card fill");
}

void Svg::box(Point corner, double width, double height, const std::string& look, const std::string& tip) {
  body_ +=
      with_tip("rect",
               attribute("x", number(corner.x)) + attribute("y", number(corner.y)) + attribute("width", number(width)) +
                   attribute("height", number(height)) + attribute("class", look),
               tip);
}

void Svg::line(const std::vector<Point>& points, const std::string& look) {
  std::string list;
  for (const Point& point : points) list += (list.empty() ? "" : " ") + number(point.x) + "," + number(point.y);
  body_ += with_tip("polyline", attribute("points", list) + attribute("class", look + " stroke"), "");
}

void Svg::dot(Point centre, const std::string& look, const std::string& tip) {
  body_ += with_tip("circle",
                    attribute("cx", number(centre.x)) + attribute("cy", number(centre.y)) + attribute("r", "2.5") +
                        attribute("class", look + " fill"),
                    tip);
}

void Svg::text(Point at, const std::string& text, const std::string& look) {
  const bool upright = look.find("upright") != std::string::npos;  // read from below
  const std::string place =
      upright ? attribute("transform", "translate(" + number(at.x) + " " + number(at.y) + ") rotate(-90)")
              : attribute("x", number(at.x)) + attribute("y", number(at.y));
  body_ += "<text" + place + attribute("class", look) + ">" + escaped_markup(text) + "</text>\n";
}

std::string Svg::document() const { return body_ + "</svg>\n"; }

std::string escaped_markup(const std::string& text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

std::vector<double> round_ticks(double most, int count) {
  if (!(most > 0)) return {0};
  const double power = std::pow(10, std::floor(std::log10(most / count)));
  double step = 10 * power;
  for (const double factor : {5.0, 2.0, 1.0})
    if (factor * power * count >= most * 0.9999) step = factor * power;
  std::vector<double> ticks;
  for (int n = 0; n * step <= most * 1.0001; ++n) ticks.push_back(n * step);
  return ticks;
}

}  // namespace moesaic
