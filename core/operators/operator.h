#pragma once
// The operators that tasks are made of: names and dimensions, and what is known of each (arithmetic, memory traffic,
// family). The facts stand in one file per family, beside the names of its operands. Kernels and prices live elsewhere.

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
  head_sums,
  head_norm,
  linear,
  attention,
  expanded_attention,
  latent_attention,
  head_linear,
  activation,
  add,
  router,
  own_choices,
  permute,
  regroup,
  experts,
  unpermute,
  route_masks,
  einsum_dispatch,
  einsum_combine,
  cross_entropy,
  // backward
  embed_backward,
  norm_backward,
  head_norm_backward,
  linear_dgrad,
  linear_wgrad,
  attention_backward,
  expanded_attention_backward,
  activation_backward,
  router_backward,
  permute_backward,
  experts_dgrad,
  experts_wgrad,
  unpermute_backward,
  einsum_weights_gradient,
  // update
  check_gradients,
  sum_squares,
  adamw,
  flatten_gradients,
  clear,
  gather_replicas,
  spread_replicas,
  // transfers between tiers
  load_experts,
  fetch_experts,
  drain_gradients,
  check_experts,
  update_experts,
  store_experts,
  // collectives
  all_to_all,
  all_reduce,
  all_gather,
  reduce_scatter,
};
inline constexpr int kNumOps = static_cast<int>(Op::reduce_scatter) + 1;

/// Operators that share a file here, and mostly a kernel's file in each device's room.
enum class Family : uint8_t {
  embedding,
  norms,
  products,
  attention,
  latent_attention,
  activations,
  router,
  row_movers,
  einsum_rows,
  experts,
  loss,
  optimizer,
  transfers,  // move or update expert states outside the device
  collectives,
};

/// The dimensions of one operator but its rows, which may depend on routing. Unused ones are 0.
struct OpShape {
  int64_t n = 0;  // output width (linear: out features; experts: intermediate F; router: experts E; cross_entropy and
                  // embed: vocabulary)
  int64_t k = 0;  // input width (hidden H)
  int64_t sequence = 0;   // attention: keys per sequence
  int64_t window = 0;     // attention, causal square: the last keys that a query sees, its own included; 0: all
  int64_t heads = 0;      // attention, head_norm, head_linear
  int64_t kv_heads = 0;   // attention, head_norm
  int64_t head_dim = 0;   // attention, head_norm: of queries and keys
  int64_t value_dim = 0;  // latent attention: of values, which are not as wide as keys
  int64_t top_k = 0;      // router, permute, unpermute
  bool gated = false;     // experts, activation: SwiGLU
  bool rms = false;       // norm
  bool whole = false;     // head_norm: over all heads together, not over each
  bool causal_square =
      false;  // attention: one query per key (training, prefill); false: one query per sequence (decode)

  bool operator==(const OpShape&) const = default;
};

/// The non-zero dimensions by name, in a fixed order: the signature under which a profile stores a curve.
std::vector<std::pair<std::string, int64_t>> dimensions_of(const OpShape& shape);

/// Work of one launch, as formulas read it.
struct OperatorWork {
  const OpShape& shape;
  double m;               // rows
  double active_experts;  // slots that have rows
  double element_bytes;   // of a stored number; less than 1 is possible
  double weight_bytes;    // of a stored weight or cached key: they may be narrower than what they are multiplied with

  constexpr double n() const { return static_cast<double>(shape.n); }
  constexpr double k() const { return static_cast<double>(shape.k); }
  constexpr double heads() const { return static_cast<double>(shape.heads); }
  constexpr double query_width() const { return static_cast<double>(shape.heads * shape.head_dim); }
  constexpr double value_width() const { return static_cast<double>(shape.heads * shape.value_dim); }
  constexpr double key_width() const { return static_cast<double>(shape.kv_heads * shape.head_dim); }
  /// The up projection in units of F: SwiGLU's has a second matrix of the same width.
  constexpr double up_widths() const { return shape.gated ? 2 : 1; }
};

/// Flops or bytes of some work. It cannot be left out: there is no default.
class Formula {
 public:
  template <typename F>
  consteval Formula(F formula) : formula_(formula) {}  // NOLINT: a lambda is a formula
  double operator()(const OperatorWork& work) const { return formula_(work); }

 private:
  double (*formula_)(const OperatorWork&);
};

/// From `first` on an operator's reads come in groups of `size`: one for each window, chunk or parameter.
struct RepeatedReads {
  size_t first = 0, size = 0;  // size 0: none repeat
};

/// Consecutive writes of an operator.
struct WriteRange {
  size_t first = 0, count = 0;
};

/// What is known of an operator. A family's file states it for each of its operators; costs have no default, so
/// that nothing is free of cost because somebody forgot it.
struct OperatorFacts {
  Op op;
  const char* name;
  Family family;
  bool is_matrix_product;  // whose precision follows the compute dtype
  bool moves_rows;         // writes rows as they are or scaled, in the dtype of the tensor that they go to
  Formula flops;
  Formula bytes;  // read and written in device memory
  RepeatedReads repeated_reads = {};
  WriteRange adds_to = {};             // gradients of parameters, losses: what stands there is added to, not replaced
  std::optional<Op> priced_like = {};  // bound by the same; whose curve is scaled where a profile has none of its own
};

/// Of what moves data only, and of what touches no device memory of its own.
constexpr double no_flops(const OperatorWork&) { return 0; }
constexpr double no_bytes(const OperatorWork&) { return 0; }

const OperatorFacts& facts_of(Op op);

const char* name_of(Op op);
std::optional<Op> op_named(const std::string& name);
Family family_of(Op op);
bool is_collective(Op op);
bool is_transfer(Op op);
bool is_experts(Op op);        // experts and their gradients: products of as many rows per slot as routing says
bool checks_gradients(Op op);  // of its rank before an update, those of experts outside the device included
bool is_matrix_product(Op op);
bool moves_rows(Op op);

/// Floating-point operations of `rows` rows. Matrix products count 2 per multiply-add; element-wise operators count a
/// few per element.
double flops_of(Op op, const OpShape& shape, int64_t rows);

/// In what an operator's numbers are stored.
struct StoredAs {
  StoredAs(DType all) : activations(all), weights(all) {}  // NOLINT: mostly they are stored alike
  StoredAs(DType of_activations, DType of_weights) : activations(of_activations), weights(of_weights) {}
  DType activations, weights;  // weights: and cached keys and values; of an update its gradients
};

/// Bytes read and written in device memory, each operand once. For experts, `active_experts` weights are read.
double traffic_of(Op op, const OpShape& shape, int64_t rows, int64_t active_experts, StoredAs stored);

}  // namespace moesaic
