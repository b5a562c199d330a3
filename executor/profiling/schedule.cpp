#include "executor/profiling/schedule.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace moesaic::executor {
namespace {

constexpr int kMostPasses = 8;  // after the first
constexpr int kFewest = 3;      // repetitions that a pass should have time for at each point
constexpr int kAttempts = 3;    // at an undisturbed repetition, in a visit that has one only

}  // namespace

int Reading::undisturbed() const {
  return static_cast<int>(std::count_if(samples.begin(), samples.end(), [](const Sample& s) { return !s.disturbed; }));
}

Schedule::Schedule(std::vector<Point> points, Seconds budget, std::function<Seconds()> spent,
                   std::function<void(const Point&, Seconds)> on_point)
    : points_(std::move(points)),
      order_(points_.size()),
      readings_(points_.size()),
      budget_(budget),
      spent_(std::move(spent)),
      on_point_(std::move(on_point)) {
  std::iota(order_.begin(), order_.end(), size_t{0});
  std::stable_sort(order_.begin(), order_.end(),
                   [this](size_t a, size_t b) { return points_[a].worth < points_[b].worth; });
}

bool Schedule::run() {
  before_ = now_ = spent_();
  const auto disturbed = [this](size_t i) { return readings_[i].undisturbed() == 0; };
  const auto is_least = [this](size_t i) { return points_[i].worth == Worth::least; };
  visit_once(is_least, 1);
  for (const size_t i : order_)
    if (is_least(i) && !readings_[i].measured()) return false;
  visit_once([&](size_t i) { return is_least(i) && disturbed(i); }, kAttempts);
  visit_once([&](size_t i) { return !is_least(i); }, kAttempts);
  while (pass()) {
  }
  return true;
}

void Schedule::visit_once(const std::function<bool(size_t)>& is_meant, int attempts) {
  for (const size_t i : order_)
    if (is_meant(i) && fits(i)) visit(i, 0, attempts);
}

/// What is left, cut into as many passes as have time for a few repetitions of each point, gives this one's length; a
/// point takes its part of what is then left of it. False where nothing was measured.
bool Schedule::pass() {
  const std::vector<size_t> points = due();
  Seconds needed = 0;
  for (const size_t i : points) needed += readings_[i].opening_s + kFewest * readings_[i].repetition_s;
  const Seconds left = budget_ - now_;
  const Seconds end = now_ + left / std::clamp<double>(left / std::max(needed, 1e-9), 1, kMostPasses);
  bool any = false;
  for (size_t at = 0; at < points.size(); ++at) {
    if (!fits(points[at])) continue;
    visit(points[at], std::max(0.0, end - now_) / static_cast<double>(points.size() - at), kAttempts);
    any = true;
  }
  return any;
}

/// Those that want more: without any undisturbed repetition first, then in the order of their worth.
std::vector<size_t> Schedule::due() const {
  std::vector<size_t> points;
  for (const size_t i : order_)
    if (readings_[i].undisturbed() < points_[i].enough) points.push_back(i);
  std::stable_partition(points.begin(), points.end(), [&](size_t i) { return readings_[i].undisturbed() == 0; });
  return points;
}

/// Of a visit with one repetition.
Seconds Schedule::estimate(size_t point) const {
  const Reading& own = readings_[point];
  if (own.measured()) return own.opening_s + own.repetition_s;
  if (points_[point].expected_s > 0) return points_[point].expected_s * pace();
  Seconds all = 0, largest_known = 0;
  double visited = 0, size = 0;
  for (size_t i = 0; i < points_.size(); ++i) {
    if (!readings_[i].measured()) continue;
    const Seconds cost = readings_[i].opening_s + readings_[i].repetition_s;
    all += cost, ++visited;
    if (points_[i].curve != points_[point].curve || points_[i].size < size) continue;
    size = points_[i].size;
    largest_known = cost;
  }
  if (size > 0) return largest_known * std::max(1.0, points_[point].size / size);
  return visited > 0 ? all / visited : 0;
}

/// What was expected took so many times as long, where it was worst; at least once.
double Schedule::pace() const {
  double pace = 1;
  for (size_t i = 0; i < points_.size(); ++i)
    if (readings_[i].measured() && points_[i].expected_s > 0)
      pace = std::max(pace, (readings_[i].opening_s + readings_[i].repetition_s) / points_[i].expected_s);
  return pace;
}

bool Schedule::fits(size_t point) const { return now_ < budget_ && now_ + estimate(point) <= budget_; }

/// Repeats while `share` lasts; at least once, and up to `attempts` times until one is undisturbed.
void Schedule::visit(size_t point, Seconds share, int attempts) {
  const Seconds begin = now_;
  const Point& what = points_[point];
  Reading& reading = readings_[point];
  const Measure measure = what.open();
  if (what.warms_up) measure();
  const Seconds opened = spent_();
  const int most = (what.enough + kMostPasses - 1) / kMostPasses;
  int repetitions = 0, undisturbed = 0;
  const auto goes_on = [&] {
    const Seconds end = now_ + reading.repetition_s;
    if (end > budget_ || undisturbed == most) return false;
    return end <= begin + share || (undisturbed == 0 && repetitions < attempts);
  };
  do {
    reading.samples.push_back(measure());
    undisturbed += reading.samples.back().disturbed ? 0 : 1;
    now_ = spent_();
    reading.repetition_s = (now_ - opened) / ++repetitions;
  } while (goes_on());
  reading.opening_s = opened - begin;
  on_point_(what, now_);
}

Seconds Schedule::least_s() const {
  Seconds all = before_;
  for (size_t i = 0; i < points_.size(); ++i)
    if (points_[i].worth == Worth::least) all += estimate(i);
  return all;
}

}  // namespace moesaic::executor
