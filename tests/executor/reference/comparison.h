#pragma once
// What launches were found to compute beside what the reference computes, on all ranks of a job.

#include <mutex>
#include <set>
#include <string>

#include "core/schema/bfloat16.h"
#include "executor/backend/backend.h"

namespace moesaic::executor::testing {

/// Of a difference to the largest magnitude that is expected in the tensor.
struct Tolerances {
  double f32;     // sums in f32
  double bf16;    // products of operands that are rounded to bf16
  double stored;  // as much again where results are stored as bf16, which may round them apart

  double of(const Task& task, DType dtype) const {
    const bool is_stored_rounded = dtype == DType::bf16;
    // Logits of the router are f32 everywhere; where activations are bf16, what comes back for them is too.
    const bool rounded =
        is_matrix_product(task.op) ? task.dtype == DType::bf16 : task.op == Op::router_backward && is_stored_rounded;
    return (rounded ? bf16 : f32) + (is_stored_rounded ? stored : 0.0);
  }
};

/// Ranks are threads.
class Comparison {
 public:
  explicit Comparison(const Tolerances& given) : tolerances(given) {}

  void add(const Task& task) {
    const std::lock_guard lock(mutex_);
    compared_.insert(task.op);
    if (task.op == Op::regroup) regroupings_.insert(task.regroup);
  }
  void fail(const Task& task, const std::string& what) {
    const std::lock_guard lock(mutex_);
    failed_.insert(task.op);
    if (first_failure_.empty()) first_failure_ = task.label + ", " + name_of(task.op) + ": " + what;
  }

  const std::set<Op>& compared() const { return compared_; }
  const std::set<Regroup>& regroupings() const { return regroupings_; }
  const std::set<Op>& failed() const { return failed_; }
  const std::string& first_failure() const { return first_failure_; }  // "": there was none

  const Tolerances tolerances;

 private:
  std::mutex mutex_;
  std::set<Op> compared_, failed_;
  std::set<Regroup> regroupings_;
  std::string first_failure_;
};

/// f32, or bf16 as f32.
inline float element(const Operand& operand, int64_t i) {
  return operand.dtype == DType::bf16 ? to_float(operand.as<BFloat16>()[i]) : operand.f32()[i];
}

}  // namespace moesaic::executor::testing
