#pragma once
// The two formats in which a plan keeps tensors on the device, as types: a plan is wholly float or wholly BFloat16,
// norm statistics, router probabilities, losses and moments apart. Kernels compute in f32 whatever the format.

#include <utility>

#include "core/schema/bfloat16.h"
#include "core/schema/error.h"
#include "core/schema/units.h"

namespace moesaic::executor::cuda {

template <typename Element>
inline constexpr DType kFormatOf = DType::f32;
template <>
inline constexpr DType kFormatOf<BFloat16> = DType::bf16;

/// Calls f with an element of the format, for its type alone.
template <typename F>
decltype(auto) with_element(DType dtype, F&& f) {
  MOESAIC_CHECK(dtype == DType::f32 || dtype == DType::bf16, "the device stores f32 or bf16");
  return dtype == DType::bf16 ? std::forward<F>(f)(BFloat16{}) : std::forward<F>(f)(0.0f);
}

}  // namespace moesaic::executor::cuda
