#include "core/blocks/latent_attention.h"

#include "core/blocks/tensor_parallel.h"
#include "core/operators/activations.h"
#include "core/operators/latent_attention.h"
#include "core/operators/products.h"

namespace moesaic {
namespace {

using operands::ExpandedAttention, operands::ExpandedAttentionBackward, operands::HeadLinear, operands::LinearDgrad;

const LatentAttention& dims(const StepBuilder& b) { return *b.model().latent_attention; }
int64_t own_heads(const StepBuilder& b) { return b.model().num_heads / b.plan().layout.tp; }
int64_t query_dim(const StepBuilder& b) { return dims(b).qk_nope_head_dim + dims(b).qk_rope_head_dim; }
int64_t latent_width(const StepBuilder& b) { return dims(b).kv_lora_rank + dims(b).qk_rope_head_dim; }

/// Of a token in all heads.
int64_t query_width(const StepBuilder& b) { return b.model().num_heads * query_dim(b); }
int64_t kv_width(const StepBuilder& b) { return b.model().num_heads * (dims(b).qk_nope_head_dim + dims(b).v_head_dim); }

/// Of what queries are made of.
int64_t query_rank(const StepBuilder& b) { return dims(b).q_lora_rank > 0 ? dims(b).q_lora_rank : b.model().hidden; }

LinearLayer to_latent(const StepBuilder& b, const std::string& name, int64_t out) {
  return {name, in_layer(b, name), out, b.model().hidden, b.tokens()};
}

LinearLayer to_heads(const StepBuilder& b, const std::string& name, int64_t out, int64_t in) {
  return {name, in_layer(b, name), out / b.plan().layout.tp, in, group_tokens(b)};
}

LinearLayer q_a(const StepBuilder& b) { return to_latent(b, "q_a", dims(b).q_lora_rank); }
LinearLayer q_b(const StepBuilder& b) { return to_heads(b, "q_b", query_width(b), query_rank(b)); }
LinearLayer kv_a(const StepBuilder& b) { return to_latent(b, "kv_a", latent_width(b)); }
LinearLayer kv_b(const StepBuilder& b) { return to_heads(b, "kv_b", kv_width(b), dims(b).kv_lora_rank); }

OpShape expanded_shape(const StepBuilder& b) {
  OpShape shape = keys_shape(b);
  shape.heads = own_heads(b);
  shape.head_dim = query_dim(b);
  shape.value_dim = dims(b).v_head_dim;
  return shape;
}

OpShape absorbed_shape(const StepBuilder& b) {
  OpShape shape = keys_shape(b);
  shape.heads = own_heads(b);
  shape.head_dim = latent_width(b);
  shape.value_dim = dims(b).kv_lora_rank;
  return shape;
}

/// A product by head with a part of kv_b: x [group tokens, heads in] -> [group tokens, heads out].
TensorId by_head(StepBuilder& b, const std::string& what, TensorId x, int64_t out, int64_t in) {
  OpShape shape = linear_shape(out, in);
  shape.heads = own_heads(b);
  const TensorId y = b.activation(in_layer(b, what), group_tokens(b), shape.heads * out);
  b.task(Op::head_linear, what, shape, group_tokens(b),
         {{HeadLinear::x, x}, {HeadLinear::w, b.weight(in_layer(b, "kv_b"))}}, {{HeadLinear::y, y}});
  return y;
}

}  // namespace

void LatentAttentionBlock::declare_projections(StepBuilder& b) const {
  const int64_t hidden = b.model().hidden;
  const auto cut = [&](const std::string& name, int64_t rows, int64_t columns) {
    b.cut_parameter(name, cut_rows(name, {rows}, columns, b.plan().layout.tp), true);
  };
  if (dims(b).q_lora_rank > 0) {
    b.parameter(in_layer(b, "q_a"), dims(b).q_lora_rank * hidden, true);
    NormLayer::declare(b, in_layer(b, "q_a_norm"), dims(b).q_lora_rank);
  }
  cut(in_layer(b, "q_b"), query_width(b), query_rank(b));
  b.parameter(in_layer(b, "kv_a"), latent_width(b) * hidden, true);
  NormLayer::declare(b, in_layer(b, "kv_a_norm"), dims(b).kv_lora_rank);
  cut(in_layer(b, "kv_b"), kv_width(b), dims(b).kv_lora_rank);
}

int64_t LatentAttentionBlock::cached_elements(const StepBuilder& b) const { return latent_width(b); }

void LatentAttentionBlock::project_queries(StepBuilder& b) {
  TensorId rows = normed_;
  if (dims(b).q_lora_rank > 0)
    rows =
        query_norm_.forward(b, in_layer(b, "q_a_norm"), q_a(b).forward(b, normed_, in_layer(b, "q_a.out")), b.tokens());
  query_rows_ = gather_rows(b, "queries", rows);
  queries_ = q_b(b).forward(b, query_rows_, in_layer(b, "q_b.out"));
}

void LatentAttentionBlock::project_latent(StepBuilder& b) {
  const TensorId out = kv_a(b).forward(b, normed_, in_layer(b, "kv_a.out"));
  latent_ = gather_rows(b, "latent", latent_norm_.forward(b, in_layer(b, "kv_a_norm"), out, b.tokens()));
}

TensorId LatentAttentionBlock::attend(StepBuilder& b, TensorId normed) {
  normed_ = normed;
  project_queries(b);
  project_latent(b);
  attended_ = b.decodes() ? attend_absorbed(b) : attend_expanded(b);
  return attended_;
}

TensorId LatentAttentionBlock::attend_expanded(StepBuilder& b) {
  kv_ = kv_b(b).forward(b, latent_, in_layer(b, "kv_b.out"));
  const TensorId attended = b.activation(in_layer(b, "attended"), group_tokens(b), attention_width(b));
  saved_ = saved_sums(b);
  b.task(Op::expanded_attention, "attention", expanded_shape(b), group_tokens(b),
         {{ExpandedAttention::queries, queries_}, {ExpandedAttention::kv, kv_}, {ExpandedAttention::latent, latent_}},
         {{ExpandedAttention::out, attended}, {ExpandedAttention::saved, saved_}});
  return attended;
}

TensorId LatentAttentionBlock::attend_absorbed(StepBuilder& b) const {
  const int64_t rank = dims(b).kv_lora_rank;
  const TensorId absorbed = by_head(b, "absorb keys", queries_, rank, dims(b).qk_nope_head_dim);
  const TensorId found = b.activation(in_layer(b, "attended latent"), group_tokens(b), own_heads(b) * rank);
  Task& attention = b.task(Op::latent_attention, "attention", absorbed_shape(b), group_tokens(b),
                           {{operands::LatentAttention::absorbed, absorbed},
                            {operands::LatentAttention::queries, queries_},
                            {operands::LatentAttention::latent, latent_}},
                           {{operands::LatentAttention::out, found}});
  attention.stored_dtype = cache_dtype(b);
  return by_head(b, "expand values", found, dims(b).v_head_dim, rank);
}

TensorId LatentAttentionBlock::attend_backward(StepBuilder& b, TensorId d_attended) {
  const TensorId d_queries = b.activation(in_layer(b, "d_queries"), group_tokens(b), q_b(b).out);
  const TensorId d_kv = b.activation(in_layer(b, "d_kv"), group_tokens(b), kv_b(b).out);
  const TensorId d_latent = b.activation(in_layer(b, "d_latent"), group_tokens(b), latent_width(b));
  b.task(Op::expanded_attention_backward, "attention", expanded_shape(b), group_tokens(b),
         {{ExpandedAttentionBackward::d_out, d_attended},
          {ExpandedAttentionBackward::queries, queries_},
          {ExpandedAttentionBackward::kv, kv_},
          {ExpandedAttentionBackward::latent, latent_},
          {ExpandedAttentionBackward::out, attended_},
          {ExpandedAttentionBackward::saved, saved_}},
         {{ExpandedAttentionBackward::d_queries, d_queries},
          {ExpandedAttentionBackward::d_kv, d_kv},
          {ExpandedAttentionBackward::d_latent, d_latent}});
  const TensorId by_queries = query_gradient(b, d_queries);
  const TensorId by_latent = latent_gradient(b, d_kv, d_latent);
  const TensorId sum = b.activation(in_layer(b, "d_norm1"), b.tokens(), b.model().hidden);
  b.task(Op::add, "queries and latent", width_shape(b.model().hidden), b.tokens(),
         {{operands::Add::a, by_queries}, {operands::Add::b, by_latent}}, {{operands::Add::sum, sum}});
  return sum;
}

/// -> gradient of normed, what queries contribute.
TensorId LatentAttentionBlock::query_gradient(StepBuilder& b, TensorId d_queries) const {
  const TensorId d_rows = sum_rows(b, "d_q_b", q_b(b).input_gradient(b, d_queries, in_layer(b, "d_q_b")));
  q_b(b).weight_gradient(b, d_queries, query_rows_);
  if (dims(b).q_lora_rank == 0) return d_rows;
  const TensorId d_out = query_norm_.backward(b, d_rows, kNoTensor);
  const TensorId d_normed = q_a(b).input_gradient(b, d_out, in_layer(b, "d_q_a"));
  q_a(b).weight_gradient(b, d_out, normed_);
  return d_normed;
}

/// The same of keys and values. Attention has left the gradient of the keys' part with a position in d_latent.
TensorId LatentAttentionBlock::latent_gradient(StepBuilder& b, TensorId d_kv, TensorId d_latent) const {
  const LinearLayer expansion = kv_b(b);
  b.task(Op::linear_dgrad, "kv_b dgrad", linear_shape(expansion.out, expansion.in), expansion.rows,
         {{LinearDgrad::dy, d_kv}, {LinearDgrad::w, b.weight(expansion.weight)}, {LinearDgrad::beside, d_latent}},
         {{LinearDgrad::dx, d_latent}});
  const TensorId d_rows = sum_rows(b, "d_latent", d_latent);
  expansion.weight_gradient(b, d_kv, latent_);
  const TensorId d_out = latent_norm_.backward(b, d_rows, kNoTensor);
  const TensorId d_normed = kv_a(b).input_gradient(b, d_out, in_layer(b, "d_kv_a"));
  kv_a(b).weight_gradient(b, d_out, normed_);
  return d_normed;
}

}  // namespace moesaic
