#pragma once
// Seconds on a measured curve at any size: piecewise linear between its points, cautious beyond them. It knows no
// operators.

#include <cstdint>
#include <span>

#include "core/schema/units.h"

namespace moesaic {

struct CurveReading {
  Seconds seconds = 0;
  bool inside = true;  // at or between points
};

/// Below the first point: the line through the first two points, held between half and all of the first point's
/// seconds. Above the last point: the last point's seconds per unit of size. sizes: [points] ascending, the last above
/// 0; seconds: [points]; points >= 1.
CurveReading read_curve(std::span<const int64_t> sizes, std::span<const Seconds> seconds, int64_t size);

}  // namespace moesaic
