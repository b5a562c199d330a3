// Tasks of embedding, linear layers, norms, activations, sums and loss -> operator calls, in f32 or bf16 as what they
// write is stored.
#include "core/operators/activations.h"
#include "core/operators/embedding.h"
#include "core/operators/loss.h"
#include "core/operators/norms.h"
#include "core/operators/products.h"
#include "executor/cuda/add.h"
#include "executor/cuda/cross_entropy.h"
#include "executor/cuda/embedding.h"
#include "executor/cuda/gelu.h"
#include "executor/cuda/head_norm.h"
#include "executor/cuda/kernels.h"
#include "executor/cuda/layer_norm.h"
#include "executor/cuda/storage_format.h"
#include "executor/cuda/swiglu.h"
#include "executor/launch/dense_operands.h"

namespace moesaic::executor::cuda {
namespace {

int64_t rows(const Launch& l) { return l.task.fixed_rows; }
int64_t n(const Launch& l) { return l.task.shape.n; }
int64_t k(const Launch& l) { return l.task.shape.k; }

/// A launch whose operands are of one element, and those that are not by their own types.
template <typename Element>
struct Typed {
  const Launch& l;
  const Element* in(size_t operand) const { return l.reads[operand].as<const Element>(); }
  Element* out(size_t operand) const { return l.writes[operand].as<Element>(); }
};

/// Calls with the element that the first operand written has.
template <typename Call>
void typed(const Launch& l, const Call& call) {
  with_element(l.writes.front().dtype, [&]<typename Element>(Element) { call(Typed<Element>{l}); });
}

void embed(const Launch& l, CudaKernels& d) {
  using Embed = operands::Embed;
  typed(l, [&](auto t) {
    embedding_forward(l.reads[Embed::tokens].i32(), t.in(Embed::table), t.out(Embed::x), rows(l), k(l), d.stream);
  });
}

void embed_gradient(const Launch& l, CudaKernels& d) {
  using Embed = operands::EmbedBackward;
  typed(l, [&](auto t) {
    embedding_backward(l.reads[Embed::tokens].i32(), t.in(Embed::dx), t.out(Embed::d_table), rows(l), k(l), n(l),
                       d.linear.scratch(), d.stream);
  });
}

void norm(const Launch& l, CudaKernels& d) {
  using Norm = operands::Norm;
  typed(l, [&](auto t) {
    layer_norm_forward(t.in(Norm::x), t.in(Norm::gain_bias), t.out(Norm::y), l.writes[Norm::statistics].f32(), rows(l),
                       k(l), d.stream, {l.task.shape.rms, static_cast<float>(norm_epsilon(l))});
  });
}

void norm_gradient(const Launch& l, CudaKernels& d) {
  using Norm = operands::NormBackward;
  typed(l, [&](auto t) {
    layer_norm_backward(t.in(Norm::dy), t.in(Norm::x), l.reads[Norm::statistics].f32(), t.in(Norm::gain_bias),
                        t.out(Norm::dx), t.out(Norm::d_gain_bias), rows(l), k(l), d.linear.scratch(), d.stream,
                        l.task.shape.rms);
  });
}

void sums_of_heads(const Launch& l, CudaKernels& d) {
  using Sums = operands::HeadSums;
  const Operand &qkv = l.reads[Sums::qkv], *dy = optional_read(l, Sums::dy), *gain = optional_read(l, Sums::gain);
  with_element(qkv.dtype, [&]<typename Element>(Element) {
    const auto in = [](const Operand* read) { return read == nullptr ? nullptr : read->as<const Element>(); };
    head_sums(in(&qkv), in(dy), in(gain), l.writes[Sums::sums].f32(), head_norm_shape(l), d.stream);
  });
}

void norm_of_heads(const Launch& l, CudaKernels& d) {
  using Norm = operands::HeadNorm;
  typed(l, [&](auto t) {
    head_norm_forward(t.in(Norm::qkv), t.in(Norm::gain), t.out(Norm::y), l.writes[Norm::statistics].f32(),
                      head_norm_shape(l), static_cast<float>(norm_epsilon(l)), rank_sums(l, Norm::sums), d.stream);
  });
}

void norm_of_heads_gradient(const Launch& l, CudaKernels& d) {
  using Norm = operands::HeadNormBackward;
  typed(l, [&](auto t) {
    head_norm_backward(t.in(Norm::dy), t.in(Norm::qkv), l.reads[Norm::statistics].f32(), t.in(Norm::gain),
                       t.out(Norm::d_qkv), t.out(Norm::d_gain), head_norm_shape(l), rank_sums(l, Norm::sums),
                       d.linear.scratch(), d.stream);
  });
}

void linear(const Launch& l, CudaKernels& d) {
  using Linear = operands::Linear;
  typed(l, [&](auto t) {
    d.linear.forward(t.in(Linear::x), t.in(Linear::w), t.out(Linear::y), rows(l), n(l), k(l), d.stream);
  });
}

void linear_data_gradient(const Launch& l, CudaKernels& d) {
  using Linear = operands::LinearDgrad;
  typed(l, [&](auto t) {
    d.linear.dgrad(t.in(Linear::dy), t.in(Linear::w), t.out(Linear::dx), rows(l), n(l), k(l), d.stream);
  });
}

void linear_weight_gradient(const Launch& l, CudaKernels& d) {
  using Linear = operands::LinearWgrad;
  typed(l, [&](auto t) {
    d.linear.wgrad(t.in(Linear::dy), t.in(Linear::x), t.out(Linear::dw), rows(l), n(l), k(l), d.stream);
  });
}

void activation(const Launch& l, CudaKernels& d) {
  using Activation = operands::Activation;
  typed(l, [&](auto t) {
    if (l.task.shape.gated)
      swiglu_forward(t.in(Activation::u), t.out(Activation::a), rows(l), n(l), d.stream);
    else
      gelu_forward(t.in(Activation::u), t.out(Activation::a), rows(l) * n(l), d.stream);
  });
}

void activation_gradient(const Launch& l, CudaKernels& d) {
  using Activation = operands::ActivationBackward;
  typed(l, [&](auto t) {
    if (l.task.shape.gated)
      swiglu_backward(t.in(Activation::da), t.in(Activation::u), t.out(Activation::du), rows(l), n(l), d.stream);
    else
      gelu_backward(t.in(Activation::da), t.in(Activation::u), t.out(Activation::du), rows(l) * n(l), d.stream);
  });
}

void sum(const Launch& l, CudaKernels& d) {
  using Add = operands::Add;
  typed(l, [&](auto t) { add(t.in(Add::a), t.in(Add::b), t.out(Add::sum), rows(l) * k(l), d.stream); });
}

/// Adds the cross-entropy of this microbatch, as a share of the step's mean, to loss[0].
void loss(const Launch& l, CudaKernels& d) {
  using Loss = operands::CrossEntropy;
  typed(l, [&](auto t) {
    cross_entropy(t.in(Loss::logits), l.reads[Loss::targets].i32(), t.out(Loss::d_logits),
                  l.writes[Loss::loss].as<double>(), rows(l), n(l), loss_share(l), d.linear.scratch(), d.stream);
  });
}

constexpr CudaKernel kKernels[] = {{Op::embed, embed},
                                   {Op::embed_backward, embed_gradient},
                                   {Op::norm, norm},
                                   {Op::norm_backward, norm_gradient},
                                   {Op::head_sums, sums_of_heads},
                                   {Op::head_norm, norm_of_heads},
                                   {Op::head_norm_backward, norm_of_heads_gradient},
                                   {Op::linear, linear},
                                   {Op::linear_dgrad, linear_data_gradient},
                                   {Op::linear_wgrad, linear_weight_gradient},
                                   {Op::activation, activation},
                                   {Op::activation_backward, activation_gradient},
                                   {Op::add, sum},
                                   {Op::cross_entropy, loss}};

}  // namespace

std::span<const CudaKernel> dense_kernels() { return kKernels; }

}  // namespace moesaic::executor::cuda
