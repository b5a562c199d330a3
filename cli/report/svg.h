#pragma once
// A picture as one SVG document that stands alone: light and dark, no script, no font of its own. It draws marks and
// knows nothing of data or axes.

#include <string>
#include <utility>
#include <vector>

namespace moesaic {

struct Point {
  double x = 0, y = 0;  // pixels from the upper left corner
};

/// `look` names classes of the style sheet: a colour (accent, warm, cool, plain, communication, transfer, ink, muted,
/// grid) and fill, light or stroke; for lines thick, dashed or dotted; for text bold, small, middle, end or upright.
/// `tip` is shown while the pointer rests on a mark.
class Svg {
 public:
  Svg(double width, double height, const std::string& title);

  void box(Point corner, double width, double height, const std::string& look, const std::string& tip = "");
  void line(const std::vector<Point>& points, const std::string& look);
  void dot(Point centre, const std::string& look, const std::string& tip);
  void text(Point at, const std::string& text, const std::string& look);

  std::string document() const;

 private:
  std::string body_;
};

/// &, <, > and " as entities.
std::string escaped_markup(const std::string& text);

/// Round ticks from 0 to at most `most`, a step of 1, 2 or 5 times a power of ten, at most `count` steps.
std::vector<double> round_ticks(double most, int count);

}  // namespace moesaic
