#pragma once
// Spends the budget of a measurement: which point comes next, how often it is repeated, and when to stop. It knows
// neither operators nor ranks; its clock is the same on all ranks, so that all of them decide alike.

#include <functional>
#include <string>
#include <vector>

#include "executor/profiling/bench.h"

namespace moesaic::executor {

/// Points are measured in this order.
enum class Worth {
  least,    // without it the profile is of no use: the plans' own operators, what makes a cluster document
  range,    // the ends of a curve
  further,  // between them
};

struct Point {
  std::string what;  // for people
  Worth worth = Worth::least;
  std::string curve;  // among the points of one, time grows with size at most as size does
  double size = 1;
  std::function<Measure()> open;  // makes what is measured, on all ranks
  bool warms_up = true;           // the first repetition after opening makes kernels and touches memory
  int enough = 101;  // undisturbed repetitions: the standard error of their median is 1.25 / sqrt(101), an eighth, of
                     // their spread
  Seconds expected_s = 0;  // of a visit on a machine that is not busy, where that is known beforehand
};

struct Reading {
  std::vector<Sample> samples;
  Seconds opening_s = 0, repetition_s = 0;  // of the last visit
  bool measured() const { return !samples.empty(); }
  int undisturbed() const;
};

class Schedule {
 public:
  /// `spent`: of `budget`, so far, the same on all ranks whenever they ask together. `on_point` after each visit.
  Schedule(std::vector<Point> points, Seconds budget, std::function<Seconds()> spent,
           std::function<void(const Point&, Seconds spent)> on_point);

  /// Every point once, in the order of their worth, as far as they are likely to end in time, those of the least worth
  /// again where they were disturbed; then all again and again, as often as time allows, those first that were
  /// disturbed each time. Several passes over everything rather than many repetitions of one point: a machine that
  /// others share is slow for seconds at a time, and the median over passes forgets one slow spell. False, and nothing
  /// more than that measured, where a point of the least worth was not.
  bool run();

  /// As long as the points of the least worth are likely to take, with all that was spent before them.
  Seconds least_s() const;

  const std::vector<Reading>& readings() const { return readings_; }  // [points]

 private:
  void visit_once(const std::function<bool(size_t)>& is_meant, int attempts);
  bool pass();
  Seconds estimate(size_t point) const;
  double pace() const;
  bool fits(size_t point) const;
  void visit(size_t point, Seconds share, int attempts);
  std::vector<size_t> due() const;

  std::vector<Point> points_;
  std::vector<size_t> order_;  // of points_, by worth
  std::vector<Reading> readings_;
  Seconds budget_, before_ = 0;
  Seconds now_ = 0;  // the last time that was asked for: each question costs a message of every rank
  std::function<Seconds()> spent_;
  std::function<void(const Point&, Seconds)> on_point_;
};

}  // namespace moesaic::executor
