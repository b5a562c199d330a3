#pragma once
// Numbers of a step that a layout sets without changing which tasks there are: how they depend on its sizes.

#include <cstdint>

#include "core/plan/plan.h"

namespace moesaic::planner {

/// What a layout's numbers depend on, beside its structure.
struct StepSizes {
  int64_t tokens = 0;  // of a microbatch on one rank
  int ep = 1;
  int stage_ranks = 1;  // of one pipeline stage
};

StepSizes sizes_of(const Plan& plan);

/// constant + per_token * tokens + over_ep / ep + over_ranks / stage_ranks: activations grow with the tokens, what each
/// rank holds of the experts shrinks with ep, and what ZeRO divides with the ranks, that of experts over stage_ranks /
/// ep ranks included.
struct SizeForm {
  double constant = 0, per_token = 0, over_ep = 0, over_ranks = 0;

  double at(const StepSizes& sizes) const {
    return constant + per_token * static_cast<double>(sizes.tokens) + over_ep / sizes.ep +
           over_ranks / sizes.stage_ranks;
  }
  SizeForm& operator+=(const SizeForm& other) {
    constant += other.constant, per_token += other.per_token;
    over_ep += other.over_ep, over_ranks += other.over_ranks;
    return *this;
  }
  SizeForm& operator*=(double factor) {
    constant *= factor, per_token *= factor, over_ep *= factor, over_ranks *= factor;
    return *this;
  }
};
inline SizeForm operator+(SizeForm a, const SizeForm& b) { return a += b; }
inline SizeForm operator*(SizeForm a, double factor) { return a *= factor; }
inline SizeForm operator-(const SizeForm& a, const SizeForm& b) { return a + b * -1; }

}  // namespace moesaic::planner
