#pragma once
// How the checks of decisions refuse a plan: at its place in the document. Each decision's file has its own check.

#include <string>

#include "core/schema/error.h"

namespace moesaic {

class PlanChecker {
 public:
  /// `root`: the pointer at which the plan's keys stand.
  explicit PlanChecker(std::string file, std::string root = "") : file_(std::move(file)), root_(std::move(root)) {}
  [[noreturn]] void refuse(const std::string& pointer, const std::string& problem, const std::string& remedy) const {
    throw InputError(file_, root_ + pointer, problem, "", remedy);
  }
  void require(bool condition, const std::string& pointer, const std::string& problem,
               const std::string& remedy) const {
    if (!condition) refuse(pointer, problem, remedy);
  }

 private:
  std::string file_;  // as errors name the document
  std::string root_;
};

}  // namespace moesaic
