// Tasks of attention, dense FFN, norms, embedding and loss -> operator calls.
#include "core/operators/activations.h"
#include "core/operators/attention.h"
#include "core/operators/embedding.h"
#include "core/operators/loss.h"
#include "core/operators/norms.h"
#include "core/operators/products.h"
#include "executor/cpu/add.h"
#include "executor/cpu/attention.h"
#include "executor/cpu/cross_entropy.h"
#include "executor/cpu/embedding.h"
#include "executor/cpu/gelu.h"
#include "executor/cpu/head_norm.h"
#include "executor/cpu/kernels.h"
#include "executor/cpu/layer_norm.h"
#include "executor/cpu/linear.h"
#include "executor/cpu/rms_norm.h"
#include "executor/cpu/swiglu.h"
#include "executor/launch/dense_operands.h"

namespace moesaic::executor::cpu {
namespace {

const float* in(const Launch& l, size_t operand) { return l.reads[operand].f32(); }
float* out(const Launch& l, size_t operand) { return l.writes[operand].f32(); }
int64_t rows(const Launch& l) { return l.task.fixed_rows; }
int64_t n(const Launch& l) { return l.task.shape.n; }
int64_t k(const Launch& l) { return l.task.shape.k; }

/// With its rounded copy where the products want one.
Weight weight(const Launch& l, size_t operand, RoundedWeights& rounded) {
  const Operand& w = l.reads[operand];
  return {w.f32(), l.task.dtype == DType::bf16 ? rounded.find(w, *l.context.graph) : nullptr};
}

void embed(const Launch& l, RoundedWeights&) {
  using Embed = operands::Embed;
  embedding_forward(l.reads[Embed::tokens].i32(), in(l, Embed::table), out(l, Embed::x), rows(l), k(l));
}

void embed_gradient(const Launch& l, RoundedWeights&) {
  using Embed = operands::EmbedBackward;
  embedding_backward(l.reads[Embed::tokens].i32(), in(l, Embed::dx), out(l, Embed::d_table), rows(l), k(l));
}

void norm(const Launch& l, RoundedWeights&) {
  using Norm = operands::Norm;
  const auto forward = l.task.shape.rms ? rms_norm_forward : layer_norm_forward;
  forward(in(l, Norm::x), in(l, Norm::gain_bias), out(l, Norm::y), out(l, Norm::statistics), rows(l), k(l),
          static_cast<float>(norm_epsilon(l)));
}

void norm_gradient(const Launch& l, RoundedWeights&) {
  using Norm = operands::NormBackward;
  const auto backward = l.task.shape.rms ? rms_norm_backward : layer_norm_backward;
  backward(in(l, Norm::dy), in(l, Norm::x), in(l, Norm::statistics), in(l, Norm::gain_bias), out(l, Norm::dx),
           out(l, Norm::d_gain_bias), rows(l), k(l));
}

void sums_of_heads(const Launch& l, RoundedWeights&) {
  using Sums = operands::HeadSums;
  const auto data = [&](size_t operand) {
    const Operand* read = optional_read(l, operand);
    return read == nullptr ? nullptr : read->f32();
  };
  head_sums(in(l, Sums::qkv), data(Sums::dy), data(Sums::gain), out(l, Sums::sums), head_norm_shape(l));
}

void norm_of_heads(const Launch& l, RoundedWeights&) {
  using Norm = operands::HeadNorm;
  head_norm_forward(in(l, Norm::qkv), in(l, Norm::gain), out(l, Norm::y), out(l, Norm::statistics), head_norm_shape(l),
                    static_cast<float>(norm_epsilon(l)), rank_sums(l, Norm::sums));
}

void norm_of_heads_gradient(const Launch& l, RoundedWeights&) {
  using Norm = operands::HeadNormBackward;
  head_norm_backward(in(l, Norm::dy), in(l, Norm::qkv), in(l, Norm::statistics), in(l, Norm::gain), out(l, Norm::d_qkv),
                     out(l, Norm::d_gain), head_norm_shape(l), rank_sums(l, Norm::sums));
}

void linear(const Launch& l, RoundedWeights& rounded) {
  using Linear = operands::Linear;
  linear_forward(in(l, Linear::x), weight(l, Linear::w, rounded), out(l, Linear::y), rows(l), n(l), k(l),
                 precision_of(l.task));
}

void linear_data_gradient(const Launch& l, RoundedWeights& rounded) {
  using Linear = operands::LinearDgrad;
  linear_dgrad(in(l, Linear::dy), weight(l, Linear::w, rounded), out(l, Linear::dx), rows(l), n(l), k(l),
               precision_of(l.task));
}

void linear_weight_gradient(const Launch& l, RoundedWeights&) {
  using Linear = operands::LinearWgrad;
  linear_wgrad(in(l, Linear::dy), in(l, Linear::x), out(l, Linear::dw), rows(l), n(l), k(l), precision_of(l.task));
}

void attention(const Launch& l, RoundedWeights&) {
  using Attention = operands::Attention;
  attention_forward(in(l, Attention::qkv), out(l, Attention::out), out(l, Attention::saved), attention_shape(l),
                    precision_of(l.task));
}

void attention_gradient(const Launch& l, RoundedWeights&) {
  using Attention = operands::AttentionBackward;
  attention_backward(in(l, Attention::d_out), in(l, Attention::qkv), in(l, Attention::out), in(l, Attention::saved),
                     out(l, Attention::d_qkv), attention_shape(l), precision_of(l.task));
}

void activation(const Launch& l, RoundedWeights&) {
  const float* u = in(l, operands::Activation::u);
  float* a = out(l, operands::Activation::a);
  l.task.shape.gated ? swiglu_forward(u, a, rows(l), n(l)) : gelu_forward(u, a, rows(l) * n(l));
}

void activation_gradient(const Launch& l, RoundedWeights&) {
  using Activation = operands::ActivationBackward;
  const float *da = in(l, Activation::da), *u = in(l, Activation::u);
  float* du = out(l, Activation::du);
  l.task.shape.gated ? swiglu_backward(da, u, du, rows(l), n(l)) : gelu_backward(da, u, du, rows(l) * n(l));
}

void sum(const Launch& l, RoundedWeights&) {
  add(in(l, operands::Add::a), in(l, operands::Add::b), out(l, operands::Add::sum), rows(l) * k(l));
}

/// Adds the cross-entropy of this microbatch, as a share of the step's mean, to loss[0].
void loss(const Launch& l, RoundedWeights&) {
  using Loss = operands::CrossEntropy;
  const double share = loss_share(l);
  *l.writes[Loss::loss].as<double>() +=
      share * cross_entropy(in(l, Loss::logits), l.reads[Loss::targets].i32(), out(l, Loss::d_logits), rows(l), n(l),
                            static_cast<float>(share));
}

constexpr CpuKernel kDenseKernels[] = {{Op::embed, embed},
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

std::span<const CpuKernel> dense_kernels() { return kDenseKernels; }

}  // namespace moesaic::executor::cpu
