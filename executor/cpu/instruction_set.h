#pragma once
// Which vector instructions this processor offers to matrix products, within what ONEDNN_MAX_CPU_ISA allows.

#include <string>

namespace moesaic::executor::cpu {

/// As oneDNN names it: "AVX2", "AVX512_CORE", "AVX512_CORE_VNNI", "AVX512_CORE_BF16", "AVX512_CORE_AMX"; "plain loops"
/// in a build without oneDNN.
std::string instruction_set();

/// Whether products of bf16 operands have instructions of their own.
bool multiplies_bf16();

}  // namespace moesaic::executor::cpu
