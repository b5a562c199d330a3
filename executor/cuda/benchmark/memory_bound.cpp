// Times the operators that move memory against the faster of two copies of as many bytes on the device, in turns. The
// bytes of an operator are the fewest: every input read once, every output written once.

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <set>

#include "executor/cuda/adamw.h"
#include "executor/cuda/add.h"
#include "executor/cuda/benchmark/copy_yardstick.h"
#include "executor/cuda/benchmark/measure.h"
#include "executor/cuda/cross_entropy.h"
#include "executor/cuda/embedding.h"
#include "executor/cuda/gelu.h"
#include "executor/cuda/layer_norm.h"
#include "executor/cuda/linear.h"
#include "executor/cuda/permute.h"

namespace moesaic::executor::cuda {
namespace {

constexpr double kBar = 0.85;  // of the copy's rate
constexpr int kRounds = 40;
// Arrays of 256 MiB and more: several times any second-level cache.
constexpr int64_t kTokens = 32768, kHidden = 4096;
constexpr int64_t kTopK = 8, kRowHidden = 2048;  // moved rows: [kTokens * kTopK, kRowHidden]
constexpr int32_t kVocabulary = 51200;           // logits [kLossTokens, kVocabulary]
constexpr int64_t kLossTokens = 8192;
constexpr int64_t kParameters = int64_t{1} << 27;

/// Operators on Element, one row of the document each. Every method allocates what it needs and frees it again.
template <typename Element>
class Suite {
 public:
  explicit Suite(const AddRow& add_row) : add_row_(add_row) {}

  void measure() {
    element_wise();
    layer_norm();
    moved_rows();
    embedding();
    cross_entropy_row();
    adamw();
  }

 private:
  static constexpr auto kBytes = static_cast<Bytes>(sizeof(Element));

  void compare(const char* what, Bytes bytes, const std::function<void()>& run) {
    CopyYardstick copy(bytes);
    const std::vector<Seconds> seconds =
        medians_in_turns(stream_, {run, [&] { copy.by_driver(stream_); }, [&] { copy.by_kernel(stream_); }}, kRounds);
    const Seconds copied = std::min(seconds[1], seconds[2]);
    add_row_({{"what", what},
              {"dtype", sizeof(Element) == 2 ? "bf16" : "f32"},
              {"bytes", bytes},
              {"seconds", seconds[0]},
              {"driver_copy_seconds", seconds[1]},
              {"kernel_copy_seconds", seconds[2]},
              {"bytes_per_s", static_cast<double>(bytes) / seconds[0]},
              {"ratio", copied / seconds[0]},
              {"bar", kBar}});
    std::fprintf(stderr, "%-20s %.2f of the copy\n", what, copied / seconds[0]);
  }

  void element_wise() {
    constexpr int64_t n = kTokens * kHidden;
    const Buffer<Element> a(n), b(n), y(n);
    fill_random(a, 3.0f);
    fill_random(b, 1.0f);
    compare("add", 3 * n * kBytes, [&] { add(a.data(), b.data(), y.data(), n, stream_); });
    compare("gelu", 2 * n * kBytes, [&] { gelu_forward(a.data(), y.data(), n, stream_); });
    compare("gelu_backward", 3 * n * kBytes, [&] { gelu_backward(b.data(), a.data(), y.data(), n, stream_); });
  }

  void layer_norm() {
    constexpr int64_t m = kTokens, h = kHidden, n = m * h;
    const Buffer<Element> x(n), dy(n), y(n), gain_bias(2 * h), dgain_bias(2 * h);
    const Buffer<float> stats(2 * m);
    fill_random(x, 1.0f);
    fill_random(dy, 1.0f);
    fill_random(gain_bias, 1.0f);
    fill_random(dgain_bias, 1.0f);
    const Bytes statistics = stats.bytes();
    compare("layer_norm", 2 * n * kBytes + statistics,
            [&] { layer_norm_forward(x.data(), gain_bias.data(), y.data(), stats.data(), m, h, stream_); });
    compare("layer_norm_backward", 3 * n * kBytes + statistics, [&] {
      layer_norm_backward(dy.data(), x.data(), stats.data(), gain_bias.data(), y.data(), dgain_bias.data(), m, h,
                          linear_.scratch(), stream_);
    });
  }

  /// Every choice goes to a row of its own, in random order over the experts' rows.
  void moved_rows() {
    const PermuteShape shape{kTokens, kTopK, 1, kRowHidden};
    constexpr int64_t choices = kTokens * kTopK, tokens = kTokens * kRowHidden, n = choices * kRowHidden;
    std::vector<int32_t> places(static_cast<size_t>(choices));
    for (size_t i = 0; i < places.size(); ++i) places[i] = static_cast<int32_t>(i);
    const std::vector<int32_t> draws = random_ints(choices, 1 << 30);
    for (size_t i = places.size(); i > 1; --i) std::swap(places[i - 1], places[static_cast<size_t>(draws[i - 1]) % i]);
    Buffer<int32_t> rows(choices);
    rows.copy_from(places);
    const Buffer<Element> z(tokens), out(tokens), sent(n), dreturned(n);
    const Buffer<float> weights(choices), dweights(choices);
    fill_random(z, 1.0f);
    fill_random(sent, 1.0f);
    fill_random(weights, 1.0f);
    const Bytes each = rows.bytes();
    compare("permute", (tokens + n) * kBytes + each,
            [&] { permute_forward(z.data(), rows.data(), dreturned.data(), shape, stream_); });
    compare("permute_backward", (2 * tokens + n) * kBytes + each,
            [&] { permute_backward(sent.data(), rows.data(), out.data(), shape, stream_); });
    compare("unpermute", (2 * tokens + n) * kBytes + 2 * each,
            [&] { unpermute_forward(sent.data(), rows.data(), weights.data(), z.data(), out.data(), shape, stream_); });
    compare("unpermute_backward", (tokens + 2 * n) * kBytes + 3 * each, [&] {
      unpermute_backward(z.data(), sent.data(), rows.data(), weights.data(), dreturned.data(), dweights.data(), shape,
                         stream_);
    });
  }

  void embedding() {
    constexpr int64_t m = kTokens, h = kHidden, v = kVocabulary;
    const std::vector<int32_t> drawn = random_ints(m, kVocabulary);
    const auto distinct = static_cast<int64_t>(std::set<int32_t>(drawn.begin(), drawn.end()).size());
    Buffer<int32_t> tokens(m);
    tokens.copy_from(drawn);
    const Buffer<Element> table(v * h), x(m * h);
    fill_random(table, 1.0f);
    fill_random(x, 1.0f);
    compare("embedding_backward", (m + 2 * distinct) * h * kBytes,
            [&] { embedding_backward(tokens.data(), x.data(), table.data(), m, h, v, linear_.scratch(), stream_); });
    compare("embedding", (m + distinct) * h * kBytes,
            [&] { embedding_forward(tokens.data(), table.data(), x.data(), m, h, stream_); });
  }

  void cross_entropy_row() {
    constexpr int64_t m = kLossTokens, v = kVocabulary;
    Buffer<int32_t> targets(m);
    targets.copy_from(random_ints(m, kVocabulary));
    const Buffer<Element> logits(m * v), dlogits(m * v);
    const Buffer<double> loss(1);
    fill_random(logits, 3.0f);
    compare("cross_entropy", 2 * m * v * kBytes, [&] {
      cross_entropy(logits.data(), targets.data(), dlogits.data(), loss.data(), m, v, 1.0 / static_cast<double>(m),
                    linear_.scratch(), stream_);
    });
  }

  /// f32: w, g, m, v read and written. bf16: w, g of 2 bytes and m, v, master weights of 4; w is only written.
  void adamw() {
    constexpr bool rounded = sizeof(Element) == 2;
    constexpr int64_t n = kParameters;
    const Buffer<Element> w(n), g(n);
    const Buffer<float> moments((rounded ? 3 : 2) * n);
    fill_random(w, 1.0f);
    fill_random(g, 0.01f);
    CUDA_CHECK(cudaMemset(moments.data(), 0, static_cast<size_t>(moments.bytes())));
    const Bytes bytes = (rounded ? 1 + 2 : 2 + 2) * n * kBytes + 2 * moments.bytes();
    float *m = moments.data(), *v = m + n;
    const AdamWParameter<Element> parameter{w.data(), g.data(), m, v, master_of(w.data(), v + n), n, true};
    compare("adamw", bytes, [&] { adamw_update<Element>({&parameter, 1}, AdamW{}, 1, stream_); });
  }
  static float* master_of(float* w, float*) { return w; }
  static float* master_of(BFloat16*, float* behind_moments) { return behind_moments; }

  const AddRow& add_row_;
  OwnStream stream_;
  Linear linear_;
};

void measure(const AddRow& add_row) {
  Suite<float>(add_row).measure();
  Suite<BFloat16>(add_row).measure();
}

}  // namespace
}  // namespace moesaic::executor::cuda

int main() { return moesaic::executor::cuda::print_measurements("memory_bound", moesaic::executor::cuda::measure); }
