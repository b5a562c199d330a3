#include "core/cost/curve.h"

#include <algorithm>

namespace moesaic {
namespace {

/// The line through points i and i + 1.
Seconds line(std::span<const int64_t> sizes, std::span<const Seconds> seconds, size_t i, int64_t size) {
  const double share = static_cast<double>(size - sizes[i]) / static_cast<double>(sizes[i + 1] - sizes[i]);
  return seconds[i] + share * (seconds[i + 1] - seconds[i]);
}

/// A single point gives no line: proportional to size then.
Seconds below_first(std::span<const int64_t> sizes, std::span<const Seconds> seconds, int64_t size) {
  const Seconds first = seconds.front();
  const Seconds guess = sizes.size() > 1 ? line(sizes, seconds, 0, size)
                                         : first * static_cast<double>(size) / static_cast<double>(sizes.front());
  return std::clamp(guess, first / 2, first);
}

}  // namespace

CurveReading read_curve(std::span<const int64_t> sizes, std::span<const Seconds> seconds, int64_t size) {
  if (size < sizes.front()) return {below_first(sizes, seconds, size), false};
  if (size > sizes.back())
    return {seconds.back() * static_cast<double>(size) / static_cast<double>(sizes.back()), false};
  const size_t at = static_cast<size_t>(std::lower_bound(sizes.begin(), sizes.end(), size) - sizes.begin());
  if (sizes[at] == size) return {seconds[at], true};
  return {line(sizes, seconds, at - 1, size), true};
}

}  // namespace moesaic
