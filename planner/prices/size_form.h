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

/// What the terms of a SizeForm are multiplied by.
struct SizeTerms {
  explicit SizeTerms(const StepSizes& sizes)
      : tokens(static_cast<double>(sizes.tokens)), of_ep(1.0 / sizes.ep), of_ranks(1.0 / sizes.stage_ranks) {}
  double tokens, of_ep, of_ranks;
};

/// constant + per_token * tokens + over_ep / ep + over_ranks / stage_ranks: activations grow with the tokens, what each
/// rank holds of the experts shrinks with ep, and what ZeRO divides with the ranks, that of experts over stage_ranks /
/// ep ranks included.
struct SizeForm {
  double constant = 0, per_token = 0, over_ep = 0, over_ranks = 0;

  bool operator==(const SizeForm&) const = default;
  double at(const SizeTerms& terms) const {
    return constant + per_token * terms.tokens + over_ep * terms.of_ep + over_ranks * terms.of_ranks;
  }
  double at(const StepSizes& sizes) const { return at(SizeTerms(sizes)); }
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
