#pragma once
// The operators that tasks are made of: their names, dimensions, arithmetic and memory traffic. Kernels and prices live
// elsewhere.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/schema/units.h"

namespace moesaic {

enum class Op : uint8_t {
  // forward
  embed,
  norm,
  linear,
  attention,
  activation,
  add,
  router,
  permute,
  regroup,
  experts,
  unpermute,
  cross_entropy,
  // backward
  embed_backward,
  norm_backward,
  linear_dgrad,
  linear_wgrad,
  attention_backward,
  activation_backward,
  router_backward,
  permute_backward,
  experts_dgrad,
  experts_wgrad,
  unpermute_backward,
  // update
  adamw,
  clear,
  // transfers between tiers
  load_experts,
  fetch_experts,
  drain_gradients,
  update_experts,
  store_experts,
  // collectives
  all_to_all,
  all_reduce,
  all_gather,
  reduce_scatter,
};
inline constexpr int kNumOps = static_cast<int>(Op::reduce_scatter) + 1;

const char* name_of(Op op);
std::optional<Op> op_named(const std::string& name);
bool is_collective(Op op);
/// Moves or updates expert states outside the device.
bool is_transfer(Op op);

/// The dimensions of one operator but its rows, which may depend on routing. Unused ones are 0.
struct OpShape {
  int64_t n = 0;  // output width (linear: out features; experts: intermediate F; router: experts E; cross_entropy and
                  // embed: vocabulary)
  int64_t k = 0;  // input width (hidden H)
  int64_t sequence = 0;  // attention: keys per sequence
  int64_t window = 0;    // attention, causal square: the last keys that a query sees, its own included; 0: all
  int64_t heads = 0;     // attention
  int64_t kv_heads = 0;  // attention
  int64_t head_dim = 0;  // attention: of queries and keys
  int64_t top_k = 0;     // router, permute, unpermute
  bool gated = false;    // experts, activation: SwiGLU
  bool rms = false;      // norm
  bool causal_square =
      false;  // attention: one query per key (training, prefill); false: one query per sequence (decode)

  bool operator==(const OpShape&) const = default;
};

/// The non-zero dimensions by name, in a fixed order: the signature under which a profile stores a curve.
std::vector<std::pair<std::string, int64_t>> dimensions_of(const OpShape& shape);

/// Floating-point operations of `rows` rows. Matrix products count 2 per multiply-add; element-wise operators count a
/// few per element.
double flops_of(Op op, const OpShape& shape, int64_t rows);

/// Bytes read and written in device memory, each operand once. For experts, `active_experts` weights are read.
double traffic_of(Op op, const OpShape& shape, int64_t rows, int64_t active_experts, DType dtype);

/// True where the operator is a matrix product whose precision follows the compute dtype.
bool is_matrix_product(Op op);

/// True where the operator writes rows as they are or scaled, in the dtype of the tensor that they go to.
bool moves_rows(Op op);

}  // namespace moesaic
