// Tasks of attention, dense FFN, norms, embedding and loss -> operator calls.
#include "core/operators/activations.h"
#include "core/operators/attention.h"
#include "core/operators/embedding.h"
#include "core/operators/loss.h"
#include "core/operators/norms.h"
#include "core/operators/products.h"
#include "executor/launch/dense_operands.h"
#include "executor/reference/add.h"
#include "executor/reference/attention.h"
#include "executor/reference/cross_entropy.h"
#include "executor/reference/embedding.h"
#include "executor/reference/gelu.h"
#include "executor/reference/kernels.h"
#include "executor/reference/layer_norm.h"
#include "executor/reference/linear.h"
#include "executor/reference/values.h"

namespace moesaic::executor::reference {
namespace {

Input in(const Launch& l, size_t operand) { return Input(l.reads[operand]); }
Output out(const Launch& l, size_t operand) { return Output(l.writes[operand]); }
int64_t rows(const Launch& l) { return l.task.fixed_rows; }
int64_t n(const Launch& l) { return l.task.shape.n; }
int64_t k(const Launch& l) { return l.task.shape.k; }

void embed(const Launch& l, Stateless&) {
  using Embed = operands::Embed;
  embedding_forward(l.reads[Embed::tokens].i32(), in(l, Embed::table), out(l, Embed::x), rows(l), k(l));
}

void embed_gradient(const Launch& l, Stateless&) {
  using Embed = operands::EmbedBackward;
  embedding_backward(l.reads[Embed::tokens].i32(), in(l, Embed::dx), out(l, Embed::d_table), rows(l), k(l));
}

void norm(const Launch& l, Stateless&) {
  using Norm = operands::Norm;
  layer_norm_forward(in(l, Norm::x), in(l, Norm::gain_bias), out(l, Norm::y), out(l, Norm::statistics), rows(l), k(l));
}

void norm_gradient(const Launch& l, Stateless&) {
  using Norm = operands::NormBackward;
  layer_norm_backward(in(l, Norm::dy), in(l, Norm::x), in(l, Norm::statistics), in(l, Norm::gain_bias),
                      out(l, Norm::dx), out(l, Norm::d_gain_bias), rows(l), k(l));
}

void linear(const Launch& l, Stateless&) {
  using Linear = operands::Linear;
  linear_forward(in(l, Linear::x), in(l, Linear::w), out(l, Linear::y), rows(l), n(l), k(l));
}

void linear_data_gradient(const Launch& l, Stateless&) {
  using Linear = operands::LinearDgrad;
  linear_dgrad(in(l, Linear::dy), in(l, Linear::w), out(l, Linear::dx), rows(l), n(l), k(l));
}

void linear_weight_gradient(const Launch& l, Stateless&) {
  using Linear = operands::LinearWgrad;
  linear_wgrad(in(l, Linear::dy), in(l, Linear::x), out(l, Linear::dw), rows(l), n(l), k(l));
}

void attention(const Launch& l, Stateless&) {
  using Attention = operands::Attention;
  const auto shape = attention_shape<AttentionShape>(l);
  attention_forward(in(l, Attention::qkv), out(l, Attention::out), shape);
  attention_log_sums(in(l, Attention::qkv), out(l, Attention::saved), shape);
}

void attention_gradient(const Launch& l, Stateless&) {
  using Attention = operands::AttentionBackward;
  attention_backward(in(l, Attention::d_out), in(l, Attention::qkv), out(l, Attention::d_qkv),
                     attention_shape<AttentionShape>(l));
}

void activation(const Launch& l, Stateless&) {
  gelu_forward(in(l, operands::Activation::u), out(l, operands::Activation::a), rows(l) * n(l));
}

void activation_gradient(const Launch& l, Stateless&) {
  using Activation = operands::ActivationBackward;
  gelu_backward(in(l, Activation::da), in(l, Activation::u), out(l, Activation::du), rows(l) * n(l));
}

void sum(const Launch& l, Stateless&) {
  add(in(l, operands::Add::a), in(l, operands::Add::b), out(l, operands::Add::sum), rows(l) * k(l));
}

/// Adds the cross-entropy of this microbatch, as a share of the step's mean, to loss[0].
void loss(const Launch& l, Stateless&) {
  using Loss = operands::CrossEntropy;
  const double share = loss_share(l);
  *l.writes[Loss::loss].as<double>() += share * cross_entropy(in(l, Loss::logits), l.reads[Loss::targets].i32(),
                                                              out(l, Loss::d_logits), rows(l), n(l), share);
}

constexpr ReferenceKernel kKernels[] = {{Op::embed, embed},
                                        {Op::embed_backward, embed_gradient},
                                        {Op::norm, norm},
                                        {Op::norm_backward, norm_gradient},
                                        {Op::linear, linear},
                                        {Op::linear_dgrad, linear_data_gradient},
                                        {Op::linear_wgrad, linear_weight_gradient},
                                        {Op::attention, attention},
                                        {Op::attention_backward, attention_gradient},
                                        {Op::activation, activation},
                                        {Op::activation_backward, activation_gradient},
                                        {Op::add, sum},
                                        {Op::cross_entropy, loss}};

}  // namespace

std::span<const ReferenceKernel> dense_kernels() { return kKernels; }

}  // namespace moesaic::executor::reference
