#pragma once
// The number format in which matrix products run. It is not the storage format: activations, master weights and sums
// stay f32.

namespace moesaic::executor::cuda {

enum class Precision { f32, bf16 };  // f32: no TF32; bf16: operands rounded to bfloat16, products accumulated in f32

}  // namespace moesaic::executor::cuda
