#include "core/operators/operator.h"

#include <array>

#include "core/operators/activations.h"
#include "core/operators/attention.h"
#include "core/operators/collectives.h"
#include "core/operators/einsum_rows.h"
#include "core/operators/embedding.h"
#include "core/operators/experts.h"
#include "core/operators/latent_attention.h"
#include "core/operators/loss.h"
#include "core/operators/norms.h"
#include "core/operators/optimizer.h"
#include "core/operators/products.h"
#include "core/operators/router.h"
#include "core/operators/row_movers.h"
#include "core/operators/transfers.h"

namespace moesaic {
namespace {

using Table = std::array<const OperatorFacts*, kNumOps>;

/// The families' facts by operator. What throws here does not compile: an operator that two families state, or none.
template <size_t... Sizes>
consteval Table table_of(const OperatorFacts (&... families)[Sizes]) {
  Table table{};
  std::array<bool, kNumOps> is_stated{};
  size_t stated = 0;
  const auto state = [&](const OperatorFacts& facts) {
    const auto row = static_cast<size_t>(facts.op);
    if (is_stated[row]) throw "an operator is stated twice";
    is_stated[row] = true;
    table[row] = &facts;
    ++stated;
  };
  const auto state_all = [&](const auto& family) {
    for (const OperatorFacts& facts : family) state(facts);
  };
  (state_all(families), ...);
  if (stated != table.size()) throw "no family states an operator";
  return table;
}

constexpr Table kTable = table_of(kEmbedding, kNorms, kProducts, kAttention, kLatentAttention, kActivations, kRouter,
                                  kRowMovers, kEinsumRows, kExperts, kLoss, kOptimizer, kTransfers, kCollectives);

}  // namespace

const OperatorFacts& facts_of(Op op) { return *kTable[static_cast<size_t>(op)]; }

const char* name_of(Op op) { return facts_of(op).name; }

std::optional<Op> op_named(const std::string& name) {
  for (const OperatorFacts* facts : kTable)
    if (name == facts->name) return facts->op;
  return std::nullopt;
}

Family family_of(Op op) { return facts_of(op).family; }
bool is_collective(Op op) { return family_of(op) == Family::collectives; }
bool is_transfer(Op op) { return family_of(op) == Family::transfers; }
bool is_experts(Op op) { return family_of(op) == Family::experts; }
bool checks_gradients(Op op) { return op == Op::check_gradients || op == Op::sum_squares || op == Op::check_experts; }
bool is_matrix_product(Op op) { return facts_of(op).is_matrix_product; }
bool moves_rows(Op op) { return facts_of(op).moves_rows; }

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
  put("value_dim", s.value_dim);
  put("top_k", s.top_k);
  put("gated", s.gated);
  put("rms", s.rms);
  put("whole", s.whole);
  put("causal_square", s.causal_square);
  return named;
}

double flops_of(Op op, const OpShape& shape, int64_t rows) {
  return facts_of(op).flops({shape, static_cast<double>(rows), 0, 0, 0});
}

double traffic_of(Op op, const OpShape& shape, int64_t rows, int64_t active_experts, StoredAs stored) {
  const auto bytes = [](DType dtype) { return static_cast<double>(bits_per_element(dtype)) / 8; };
  return facts_of(op).bytes({shape, static_cast<double>(rows), static_cast<double>(active_experts),
                             bytes(stored.activations), bytes(stored.weights)});
}

}  // namespace moesaic
