#include "core/graph/operator.h"

#include <algorithm>
#include <array>

namespace moesaic {
namespace {

constexpr std::array<const char*, kNumOps> kNames = {"embed",
                                                     "norm",
                                                     "linear",
                                                     "attention",
                                                     "activation",
                                                     "add",
                                                     "router",
                                                     "permute",
                                                     "regroup",
                                                     "experts",
                                                     "unpermute",
                                                     "cross_entropy",
                                                     "embed_backward",
                                                     "norm_backward",
                                                     "linear_dgrad",
                                                     "linear_wgrad",
                                                     "attention_backward",
                                                     "activation_backward",
                                                     "router_backward",
                                                     "permute_backward",
                                                     "experts_dgrad",
                                                     "experts_wgrad",
                                                     "unpermute_backward",
                                                     "adamw",
                                                     "clear",
                                                     "load_experts",
                                                     "fetch_experts",
                                                     "drain_gradients",
                                                     "update_experts",
                                                     "store_experts",
                                                     "all_to_all",
                                                     "all_reduce",
                                                     "all_gather",
                                                     "reduce_scatter"};

/// Query-key pairs: a causal square keeps half of them, a decode step looks at every key once. In a window of w keys
/// the first w queries of a sequence keep half of w^2, and each later one w.
double attention_pairs(const OpShape& s, double rows) {
  const auto sequence = static_cast<double>(s.sequence);
  if (!s.causal_square) return rows * sequence;
  if (s.window <= 0 || s.window >= s.sequence) return rows * sequence * 0.5;
  const auto window = static_cast<double>(s.window);
  return rows / sequence * (window * window * 0.5 + (sequence - window) * window);
}

}  // namespace

const char* name_of(Op op) { return kNames[static_cast<size_t>(op)]; }

std::optional<Op> op_named(const std::string& name) {
  for (int i = 0; i < kNumOps; ++i)
    if (name == kNames[static_cast<size_t>(i)]) return static_cast<Op>(i);
  return std::nullopt;
}

bool is_transfer(Op op) { return op >= Op::load_experts && op <= Op::store_experts; }

bool is_collective(Op op) { return op >= Op::all_to_all; }

bool is_matrix_product(Op op) {
  switch (op) {
    case Op::linear:
    case Op::linear_dgrad:
    case Op::linear_wgrad:
    case Op::experts:
    case Op::experts_dgrad:
    case Op::experts_wgrad:
    case Op::attention:
    case Op::attention_backward:
      return true;
    default:
      return false;
  }
}

bool moves_rows(Op op) {
  return op == Op::permute || op == Op::regroup || op == Op::unpermute_backward || op == Op::all_to_all;
}

std::vector<std::pair<std::string, int64_t>> dimensions_of(const OpShape& s) {
  std::vector<std::pair<std::string, int64_t>> named;
  const auto put = [&](const char* name, int64_t value) {
    if (value != 0) named.emplace_back(name, value);
  };
  put("n", s.n);
  put("k", s.k);
  put("sequence", s.sequence);
  put("window", s.window);
  put("heads", s.heads);
  put("kv_heads", s.kv_heads);
  put("head_dim", s.head_dim);
  put("top_k", s.top_k);
  put("gated", s.gated);
  put("rms", s.rms);
  put("causal_square", s.causal_square);
  return named;
}

double flops_of(Op op, const OpShape& s, int64_t rows) {
  const auto m = static_cast<double>(rows), n = static_cast<double>(s.n), k = static_cast<double>(s.k);
  const double expert_matrices = s.gated ? 3 : 2;
  switch (op) {
    case Op::linear:
    case Op::linear_dgrad:
    case Op::linear_wgrad:
      return 2 * m * n * k;
    case Op::experts:
    case Op::experts_dgrad:
    case Op::experts_wgrad:
      return 2 * expert_matrices * m * n * k;
    case Op::attention:  // scores and weighted sum: two products of head_dim per pair and head
      return 4 * attention_pairs(s, m) * static_cast<double>(s.heads * s.head_dim);
    case Op::attention_backward:  // scores again, dV, dP, dQ, dK: five products (FlashAttention-2, arXiv 2307.08691,
                                  // section 3.1)
      return 10 * attention_pairs(s, m) * static_cast<double>(s.heads * s.head_dim);
    case Op::router:
      return 2 * m * n * k + 5 * m * n;
    case Op::router_backward:
      return 4 * m * n * k + 5 * m * n;
    case Op::norm:
      return 8 * m * k;
    case Op::norm_backward:
      return 14 * m * k;
    case Op::activation:
      return 10 * m * n;
    case Op::activation_backward:
      return 20 * m * n;
    case Op::cross_entropy:
      return 6 * m * n;
    case Op::unpermute:
    case Op::unpermute_backward:
      return 2 * m * k;
    case Op::add:
    case Op::embed_backward:
    case Op::permute_backward:
      return m * k;
    case Op::adamw:
      return 12 * m;
    default:
      return 0;
  }
}

double traffic_of(Op op, const OpShape& s, int64_t rows, int64_t active_experts, DType dtype) {
  const auto m = static_cast<double>(rows), n = static_cast<double>(s.n), k = static_cast<double>(s.k);
  const double b = bits_per_element(dtype) / 8;
  const double gate = s.gated ? 2 : 1;  // width of the up projection in units of F
  switch (op) {
    case Op::linear:
    case Op::linear_dgrad:
      return b * (m * k + n * k + m * n);
    case Op::linear_wgrad:  // the gradient is read and written
      return b * (m * k + m * n + 2 * n * k);
    case Op::experts:
    case Op::experts_dgrad:
      return b * (2 * m * k + (2 * gate + 1) * m * n + static_cast<double>(active_experts) * (gate + 1) * n * k);
    case Op::experts_wgrad:
      return b * (2 * m * k + (gate + 1) * m * n + 2 * static_cast<double>(active_experts) * (gate + 1) * n * k);
    case Op::attention:
    case Op::attention_backward: {
      const double query = m * static_cast<double>(s.heads * s.head_dim);
      const double keys = s.causal_square ? m : m * static_cast<double>(s.sequence);
      const double key_value = 2 * keys * static_cast<double>(s.kv_heads * s.head_dim);
      return (op == Op::attention ? 1 : 2) * b * (2 * query + key_value);
    }
    case Op::router:
    case Op::router_backward:
      return b * m * k + 4 * (n * k + 2 * m * n);
    case Op::norm:
    case Op::embed:
    case Op::permute:
    case Op::permute_backward:
    case Op::regroup:
    case Op::embed_backward:
      return b * 2 * m * k;
    case Op::norm_backward:
    case Op::add:
    case Op::unpermute:
      return b * 3 * m * k;
    case Op::unpermute_backward:
      return b * 3 * m * k;
    case Op::activation:
      return b * (gate + 1) * m * n;
    case Op::activation_backward:
      return b * (2 * gate + 1) * m * n;
    case Op::cross_entropy:
      return 4 * 2 * m * n;
    case Op::adamw:  // reads and writes weight, both moments; reads the gradient and clears it
      return 4 * 8 * m;
    case Op::clear:
      return 4 * m * std::max(k, 1.0);
    default:
      return 0;
  }
}

}  // namespace moesaic
