// Tasks of attention, dense FFN, norms, embedding and loss -> operator calls.
#include <algorithm>

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
#include "executor/reference/rms_norm.h"
#include "executor/reference/swiglu.h"
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
  const auto forward = l.task.shape.rms ? rms_norm_forward : layer_norm_forward;
  forward(in(l, Norm::x), in(l, Norm::gain_bias), out(l, Norm::y), out(l, Norm::statistics), rows(l), k(l),
          norm_epsilon(l));
}

void norm_gradient(const Launch& l, Stateless&) {
  using Norm = operands::NormBackward;
  const auto backward = l.task.shape.rms ? rms_norm_backward : layer_norm_backward;
  backward(in(l, Norm::dy), in(l, Norm::x), in(l, Norm::statistics), in(l, Norm::gain_bias), out(l, Norm::dx),
           out(l, Norm::d_gain_bias), rows(l), k(l));
}

/// An operand that not every task has: null there.
std::vector<double> values_of(const Operand* operand) {
  return operand == nullptr ? std::vector<double>{} : read_values(*operand, 0, operand->elements());
}
const double* pointer_to(const std::vector<double>& values) { return values.empty() ? nullptr : values.data(); }

void sums_of_heads(const Launch& l, Stateless&) {
  using Sums = operands::HeadSums;
  const std::vector<double> dy = values_of(optional_read(l, Sums::dy)), gain = values_of(optional_read(l, Sums::gain));
  head_sums(in(l, Sums::qkv), pointer_to(dy), pointer_to(gain), out(l, Sums::sums), head_norm_shape(l));
}

void norm_of_heads(const Launch& l, Stateless&) {
  using Norm = operands::HeadNorm;
  const std::vector<double> sums = values_of(optional_read(l, Norm::sums));
  const int64_t ranks = std::ssize(sums) / (2 * std::max<int64_t>(rows(l), 1));
  head_norm_forward(in(l, Norm::qkv), in(l, Norm::gain), out(l, Norm::y), out(l, Norm::statistics), head_norm_shape(l),
                    norm_epsilon(l), {pointer_to(sums), ranks});
}

void norm_of_heads_gradient(const Launch& l, Stateless&) {
  using Norm = operands::HeadNormBackward;
  const std::vector<double> sums = values_of(optional_read(l, Norm::sums));
  const int64_t ranks = std::ssize(sums) / (2 * std::max<int64_t>(rows(l), 1));
  head_norm_backward(in(l, Norm::dy), in(l, Norm::qkv), in(l, Norm::statistics), in(l, Norm::gain), out(l, Norm::d_qkv),
                     out(l, Norm::d_gain), head_norm_shape(l), {pointer_to(sums), ranks});
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
  const auto shape = attention_shape(l);
  attention_forward(in(l, Attention::qkv), out(l, Attention::out), shape);
  attention_log_sums(in(l, Attention::qkv), out(l, Attention::saved), shape);
}

void attention_gradient(const Launch& l, Stateless&) {
  using Attention = operands::AttentionBackward;
  attention_backward(in(l, Attention::d_out), in(l, Attention::qkv), out(l, Attention::d_qkv), attention_shape(l));
}

void activation(const Launch& l, Stateless&) {
  using Activation = operands::Activation;
  if (l.task.shape.gated)
    swiglu_forward(in(l, Activation::u), out(l, Activation::a), rows(l), n(l));
  else
    gelu_forward(in(l, Activation::u), out(l, Activation::a), rows(l) * n(l));
}

void activation_gradient(const Launch& l, Stateless&) {
  using Activation = operands::ActivationBackward;
  if (l.task.shape.gated)
    swiglu_backward(in(l, Activation::da), in(l, Activation::u), out(l, Activation::du), rows(l), n(l));
  else
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

constexpr ReferenceKernel kDenseKernels[] = {{Op::embed, embed},
                                             {Op::embed_backward, embed_gradient},
                                             {Op::norm, norm},
                                             {Op::norm_backward, norm_gradient},
                                             {Op::head_sums, sums_of_heads},
                                             {Op::head_norm, norm_of_heads},
                                             {Op::head_norm_backward, norm_of_heads_gradient},
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

std::span<const ReferenceKernel> dense_kernels() { return kDenseKernels; }

}  // namespace moesaic::executor::reference
