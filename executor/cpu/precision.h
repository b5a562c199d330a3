#pragma once
// The number format in which matrix products run. It is not the storage format: activations, master weights and sums
// stay f32, but for rows that products alone read.

namespace moesaic::executor {

enum class Precision { f32, bf16 };  // bf16: operands rounded to bfloat16, products accumulated in f32

}  // namespace moesaic::executor
