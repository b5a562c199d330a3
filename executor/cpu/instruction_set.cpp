#include "executor/cpu/instruction_set.h"

#ifdef MOESAIC_HAVE_DNNL

#include <dnnl.hpp>

namespace moesaic::executor::cpu {
namespace {

// The library's values are sets of bits: a newer set holds the bits of those that it includes.
bool includes(dnnl::cpu_isa wanted) {
  const auto bits = static_cast<unsigned>(wanted);
  return (static_cast<unsigned>(dnnl::get_effective_cpu_isa()) & bits) == bits;
}

}  // namespace

std::string instruction_set() {
  if (includes(dnnl::cpu_isa::avx512_core_amx)) return "AVX512_CORE_AMX";
  if (includes(dnnl::cpu_isa::avx512_core_bf16)) return "AVX512_CORE_BF16";
  if (includes(dnnl::cpu_isa::avx512_core_vnni)) return "AVX512_CORE_VNNI";
  if (includes(dnnl::cpu_isa::avx512_core)) return "AVX512_CORE";
  if (includes(dnnl::cpu_isa::avx2)) return "AVX2";
  return "less than AVX2";
}

bool multiplies_bf16() { return includes(dnnl::cpu_isa::avx512_core_bf16); }

}  // namespace moesaic::executor::cpu

#else

namespace moesaic::executor::cpu {

std::string instruction_set() { return "plain loops"; }

bool multiplies_bf16() { return true; }  // the loops read either format

}  // namespace moesaic::executor::cpu

#endif  // MOESAIC_HAVE_DNNL
