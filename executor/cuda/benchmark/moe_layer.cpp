// Times one MoE layer in bf16, forward and backward, against the fastest product of cuBLASLt, in turns. Experts have
// two matrices and GELU, as this room has them: a gated layer of the same widths has half as many operations again.

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>

#include "executor/cuda/benchmark/fastest_product.h"
#include "executor/cuda/benchmark/measure.h"
#include "executor/cuda/experts.h"
#include "executor/cuda/permute.h"
#include "executor/cuda/router.h"

namespace moesaic::executor::cuda {
namespace {

constexpr int kRounds = 20;

struct LayerCase {
  const char* name;
  int64_t tokens, hidden, intermediate;
  int num_experts;
  int64_t top_k;
  double forward_bar, backward_bar;  // of the product's rate

  int64_t rows() const { return tokens * top_k; }
  /// Two products of every row with a matrix [hidden, intermediate]; backward two gradients of each. The router's own
  /// product and all that moves rows counts as time, not as operations.
  double forward_flops() const {
    return 2.0 * 2.0 * static_cast<double>(rows()) * static_cast<double>(hidden) * static_cast<double>(intermediate);
  }
  double backward_flops() const { return 2 * forward_flops(); }
};

constexpr LayerCase kCases[] = {
    {"qwen3-30b-a3b", 32768, 2048, 768, 128, 8, 0.60, 0.55},
    {"64 experts, top 4", 32768, 4096, 1024, 64, 4, 0.68, 0.65},
};

using Rows = Buffer<BFloat16>;

/// Pointers to the experts' matrices in one buffer.
std::vector<BFloat16*> parts(const Rows& all, int count) {
  std::vector<BFloat16*> pointers(static_cast<size_t>(count));
  for (int e = 0; e < count; ++e) pointers[static_cast<size_t>(e)] = all.data() + all.count() / count * e;
  return pointers;
}

/// The layer on one device that holds every expert: what is sent is what arrives.
class MoeLayer {
 public:
  MoeLayer(const LayerCase& c, Linear& linear, Stream stream)
      : c_(c), linear_(linear), stream_(stream), slots_(static_cast<size_t>(c.num_experts)) {
    for (const Rows* random : {&z_, &residual_, &dout_}) fill_random(*random, 1.7f);     // standard deviation 1
    for (const Rows* weights : {&router_, &up_, &down_}) fill_random(*weights, 0.035f);  // 0.02
    for (const Rows* gradients : {&drouter_, &dup_, &ddown_})
      CUDA_CHECK(cudaMemset(gradients->data(), 0, static_cast<size_t>(gradients->bytes())));
    CUDA_CHECK(cudaMemset(loss_.data(), 0, sizeof(double)));
    CUDA_CHECK(cudaMallocHost(reinterpret_cast<void**>(&host_counts_), static_cast<size_t>(counts_.bytes())));
    std::iota(slots_.begin(), slots_.end(), 0);
  }
  ~MoeLayer() { cudaFreeHost(host_counts_); }
  MoeLayer(const MoeLayer&) = delete;
  MoeLayer& operator=(const MoeLayer&) = delete;

  /// The host waits for the row counts, as the runtime must before it can launch the experts.
  void forward() {
    router_forward(linear_, z_.data(), router_.data(), p_.data(), route(), counts_.data(), router_shape(), 1,
                   {slots_, 1, kNoCapacity, false}, stream_);
    CUDA_CHECK(cudaMemcpyAsync(host_counts_, counts_.data(), static_cast<size_t>(counts_.bytes()),
                               cudaMemcpyDeviceToHost, stream_));
    CUDA_CHECK(cudaStreamSynchronize(stream_));
    rows_per_slot_.assign(host_counts_, host_counts_ + c_.num_experts);
    permute_forward(z_.data(), rows_.data(), sent_.data(), permute_shape(), stream_);
    experts_forward<BFloat16>(linear_, sent_.data(), rows_per_slot_.data(), const_parts(up_).data(),
                              const_parts(down_).data(), u_.data(), a_.data(), returned_.data(), experts_shape(),
                              stream_);
    unpermute_forward(returned_.data(), rows_.data(), weights_.data(), residual_.data(), out_.data(), permute_shape(),
                      stream_);
  }

  /// After forward().
  void backward() {
    unpermute_backward(dout_.data(), returned_.data(), rows_.data(), weights_.data(), dreturned_.data(),
                       dweights_.data(), permute_shape(), stream_);
    experts_dgrad<BFloat16>(linear_, dreturned_.data(), u_.data(), rows_per_slot_.data(), const_parts(up_).data(),
                            const_parts(down_).data(), du_.data(), dsent_.data(), experts_shape(), stream_);
    const std::vector<BFloat16*> dup = parts(dup_, c_.num_experts), ddown = parts(ddown_, c_.num_experts);
    experts_wgrad(linear_, dreturned_.data(), du_.data(), sent_.data(), a_.data(), rows_per_slot_.data(), dup.data(),
                  ddown.data(), experts_shape(), stream_);
    const double scale = 0.01 * c_.num_experts / static_cast<double>(c_.rows()) / static_cast<double>(c_.tokens);
    router_backward(linear_, dweights_.data(), p_.data(), chosen_.data(), weights_.data(),
                    {scale, counts_.data(), 1, loss_.data()}, z_.data(), router_.data(), dz_.data(), drouter_.data(),
                    router_shape(), stream_);
    permute_backward(dsent_.data(), rows_.data(), dz_.data(), permute_shape(), stream_);
  }

  /// Of the last forward pass: the fullest expert over the mean.
  double imbalance() const {
    const int64_t most = *std::max_element(rows_per_slot_.begin(), rows_per_slot_.end());
    return static_cast<double>(most * c_.num_experts) / static_cast<double>(c_.rows());
  }

 private:
  std::vector<const BFloat16*> const_parts(const Rows& all) const {
    const std::vector<BFloat16*> pointers = parts(all, c_.num_experts);
    return {pointers.begin(), pointers.end()};
  }
  Route route() const { return {chosen_.data(), weights_.data(), rows_.data()}; }
  RouterShape router_shape() const { return {c_.tokens, c_.hidden, c_.num_experts, c_.top_k}; }
  PermuteShape permute_shape() const { return {c_.tokens, c_.top_k, 1, c_.hidden}; }
  ExpertsShape experts_shape() const { return {c_.num_experts, c_.hidden, c_.intermediate}; }
  int64_t matrix() const { return c_.hidden * c_.intermediate * c_.num_experts; }

  LayerCase c_;
  Linear& linear_;
  Stream stream_;
  std::vector<int> slots_;  // slot e holds expert e
  std::vector<int64_t> rows_per_slot_;
  int32_t* host_counts_ = nullptr;
  Rows z_{c_.tokens * c_.hidden}, residual_{z_.count()}, out_{z_.count()}, dout_{z_.count()}, dz_{z_.count()};
  Rows router_{c_.num_experts * c_.hidden}, drouter_{router_.count()};
  Rows up_{matrix()}, down_{matrix()}, dup_{matrix()}, ddown_{matrix()};
  Rows sent_{c_.rows() * c_.hidden}, returned_{sent_.count()}, dreturned_{sent_.count()}, dsent_{sent_.count()};
  Rows u_{c_.rows() * c_.intermediate}, a_{u_.count()}, du_{u_.count()};
  Buffer<float> p_{c_.tokens * c_.num_experts}, weights_{c_.rows()}, dweights_{c_.rows()};
  Buffer<int32_t> chosen_{c_.rows()}, rows_{c_.rows()}, counts_{c_.num_experts};
  Buffer<double> loss_{1};
};

/// yardstick: the product's operations per second.
Json row(const LayerCase& c, const char* pass, double flops, Seconds seconds, double yardstick, double bar) {
  const double rate = flops / seconds;
  std::fprintf(stderr, "%-20s %-8s %4.0f TFLOP/s, %.2f of the product's %.0f\n", c.name, pass, rate * 1e-12,
               rate / yardstick, yardstick * 1e-12);
  return {{"what", std::string(c.name) + " " + pass},
          {"dtype", "bf16"},
          {"tokens", c.tokens},
          {"hidden", c.hidden},
          {"intermediate", c.intermediate},
          {"experts", c.num_experts},
          {"top_k", c.top_k},
          {"flops", flops},
          {"flops_counted", "two matrices per expert, GELU; the router's product is not counted"},
          {"seconds", seconds},
          {"flops_per_s", rate},
          {"product_flops_per_s", yardstick},
          {"ratio", rate / yardstick},
          {"bar", bar}};
}

void measure(const AddRow& add_row) {
  const OwnStream stream;
  for (const LayerCase& c : kCases) {
    Linear linear;
    FastestProduct product(kLargeProduct, stream);
    MoeLayer layer(c, linear, stream);
    const std::vector<Seconds> seconds = medians_in_turns(
        stream, {[&] { layer.forward(); }, [&] { layer.backward(); }, [&] { product.run(stream); }}, kRounds);
    const double yardstick = product.flops() / seconds[2];
    for (Json measured : {row(c, "forward", c.forward_flops(), seconds[0], yardstick, c.forward_bar),
                          row(c, "backward", c.backward_flops(), seconds[1], yardstick, c.backward_bar)}) {
      measured["fullest_over_mean_expert"] = layer.imbalance();
      add_row(measured);
    }
  }
}

}  // namespace
}  // namespace moesaic::executor::cuda

int main() { return moesaic::executor::cuda::print_measurements("moe_layer", moesaic::executor::cuda::measure); }
