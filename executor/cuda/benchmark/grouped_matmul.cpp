// Times grouped products of experts against cuBLASLt's fastest dense product of as many operations and against a loop
// over slots, in turns, with equal rows per slot and with rows as 1, 1/2, 1/3, ... (Zipf).

#include "executor/cuda/grouped_matmul.h"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "executor/cuda/benchmark/fastest_product.h"
#include "executor/cuda/benchmark/measure.h"
#include "executor/cuda/grouped_matmul_sm90.h"
#include "executor/cuda/linear.h"

namespace moesaic::executor::cuda {
namespace {

using enum GroupedProduct;

constexpr int kRounds = 15;
// Of the dense product; and of Zipf, of the same product with equal rows, which has the first bar itself.
constexpr double kBarOfDense = 0.80, kBarOfBalanced = 0.85;
constexpr int64_t kRowsWithBar = 512;  // per slot on average: with fewer, loading the weights may take longer

struct Shape {
  const char* name;
  int64_t slots, n, k, rows;
};

// Rows: tokens x top_k.
constexpr Shape kShapes[] = {
    {"Qwen3-30B-A3B, 8,192 tokens", 128, 768, 2048, 8192 * 8},
    {"Qwen3-30B-A3B, 65,536 tokens", 128, 768, 2048, 65536 * 8},
    {"hidden 4096, intermediate 1024, top 4", 64, 1024, 4096, 32768 * 4},
    {"Mixtral 8x7B, 8,192 tokens", 8, 14336, 4096, 8192 * 2},
    {"GPT-MoE 4096, 16 experts, 32,768 tokens", 16, 16384, 4096, 32768},
    {"GPT-MoE 768, 8 experts, 16,384 tokens", 8, 3072, 768, 16384 * 2},
};

/// The first row of each slot, and the end: [slots + 1].
std::vector<int32_t> first_rows(const Shape& s, bool zipf) {
  const auto weight = [&](int64_t slot) { return zipf ? 1.0 / static_cast<double>(slot + 1) : 1.0; };
  double all = 0.0, so_far = 0.0;
  for (int64_t slot = 0; slot < s.slots; ++slot) all += weight(slot);
  std::vector<int32_t> first = {0};
  for (int64_t slot = 0; slot + 1 < s.slots; ++slot) {
    so_far += weight(slot);
    first.push_back(static_cast<int32_t>(so_far / all * static_cast<double>(s.rows)));
  }
  first.push_back(static_cast<int32_t>(s.rows));
  return first;
}

/// The arrays of one measurement, and the ways to compute from them.
class Operands {
 public:
  Operands(const Shape& shape, GroupedProduct product, bool zipf, Linear& linear, Stream stream)
      : s_(shape),
        product_(product),
        linear_(linear),
        stream_(stream),
        a_(s_.rows * (product == forward ? s_.k : s_.n)),
        b_(product == wgrad ? s_.rows * s_.k : s_.slots * s_.n * s_.k),
        c_(product == wgrad ? s_.slots * s_.n * s_.k : s_.rows * (product == forward ? s_.n : s_.k)),
        first_rows_(s_.slots + 1) {
    for (const Buffer<BFloat16>* buffer : {&a_, &b_, &c_}) fill_random(*buffer, 1.0f);
    const std::vector<int32_t> first = first_rows(s_, zipf);
    first_rows_.copy_from(first);
    CUDA_CHECK(cudaDeviceSynchronize());  // copies from pageable memory may return before they have arrived
    const int64_t a_row = product == forward ? s_.k : s_.n, c_row = product == forward ? s_.n : s_.k;
    for (int64_t slot = 0; slot < s_.slots; ++slot) {
      const int64_t weights = slot * s_.n * s_.k, row = first[static_cast<size_t>(slot)];
      problems_.push_back({a_.data() + row * a_row, b_.data() + (product == wgrad ? row * s_.k : weights),
                           c_.data() + (product == wgrad ? weights : row * c_row),
                           first[static_cast<size_t>(slot) + 1] - row});
    }
  }

  void loop() {
    for (const GroupedProblem<BFloat16>& problem : problems_)
      if (problem.rows > 0) one(problem);
  }
  void grouped() { grouped_matmul_sm90(product_, s_.n, s_.k, problems_, linear_.scratch(), stream_); }
  void by_offsets() {
    const GroupedRows rows{a_.data(), b_.data(), c_.data(), first_rows_.data(), static_cast<int32_t>(s_.slots)};
    grouped_matmul_sm90(product_, s_.n, s_.k, rows, s_.rows, linear_.scratch(), stream_);
  }

 private:
  void one(const GroupedProblem<BFloat16>& p) {
    if (product_ == forward) linear_.forward(p.a, p.b, p.c, p.rows, s_.n, s_.k, stream_);
    if (product_ == dgrad) linear_.dgrad(p.a, p.b, p.c, p.rows, s_.n, s_.k, stream_);
    if (product_ == wgrad) linear_.wgrad(p.a, p.b, p.c, p.rows, s_.n, s_.k, stream_);
  }

  Shape s_;
  GroupedProduct product_;
  Linear& linear_;
  Stream stream_;
  Buffer<BFloat16> a_, b_, c_;
  Buffer<int32_t> first_rows_;
  std::vector<GroupedProblem<BFloat16>> problems_;
};

/// One product of all rows with one matrix of weights. forward: [rows, n] = [rows, k] [n, k]^T;
/// dgrad: [rows, k] = [rows, n] [n, k]; wgrad: [n, k] += [rows, n]^T [rows, k].
MatmulShape dense_shape(const Shape& s, GroupedProduct product) {
  if (product == forward) return {s.rows, s.n, s.k, Transpose::no, Transpose::yes};
  if (product == dgrad) return {s.rows, s.k, s.n};
  return {s.n, s.k, s.rows, Transpose::yes, Transpose::no, true};
}

/// TFLOP/s of each way, 2 rows n k operations: padding is no work.
Json measure_one(const Shape& s, GroupedProduct product, bool zipf, FastestProduct& dense, Linear& linear,
                 Stream stream) {
  Operands operands(s, product, zipf, linear, stream);
  const std::vector<Seconds> seconds = medians_in_turns(stream,
                                                        {[&] { dense.run(stream); }, [&] { operands.loop(); },
                                                         [&] { operands.grouped(); }, [&] { operands.by_offsets(); }},
                                                        kRounds);
  const double tflop = 2e-12 * static_cast<double>(s.rows) * static_cast<double>(s.n) * static_cast<double>(s.k);
  const char* const name = product == forward ? "forward" : product == dgrad ? "dgrad" : "wgrad";
  Json row = {{"what", std::string(name) + (zipf ? ", Zipf, " : ", balanced, ") + s.name},
              {"slots", s.slots},
              {"n", s.n},
              {"k", s.k},
              {"rows", s.rows},
              {"dense_tflops", tflop / seconds[0]},
              {"loop_tflops", tflop / seconds[1]},
              {"grouped_tflops", tflop / seconds[2]},
              {"by_offsets_tflops", tflop / seconds[3]},
              {"of_loop", seconds[1] / seconds[2]},
              {"ratio", seconds[0] / seconds[2]}};
  std::fprintf(stderr, "%-60s dense %4.0f loop %4.0f grouped %4.0f by offsets %4.0f TFLOP/s, %.2f of dense\n",
               row["what"].get<std::string>().c_str(), tflop / seconds[0], tflop / seconds[1], tflop / seconds[2],
               tflop / seconds[3], seconds[0] / seconds[2]);
  return row;
}

void measure(const AddRow& add_row) {
  const OwnStream stream;
  Linear linear;
  for (const Shape& s : kShapes)
    for (GroupedProduct product : {forward, dgrad, wgrad}) {
      FastestProduct dense(dense_shape(s, product), stream);
      Json balanced = measure_one(s, product, false, dense, linear, stream);
      Json zipf = measure_one(s, product, true, dense, linear, stream);
      zipf["of_dense"] = zipf["ratio"];
      zipf["ratio"] = zipf["grouped_tflops"].get<double>() / balanced["grouped_tflops"].get<double>();
      if (s.rows / s.slots >= kRowsWithBar) {
        balanced["bar"] = kBarOfDense;
        zipf["bar"] = kBarOfBalanced;
      }
      add_row(balanced);
      add_row(zipf);
    }
}

}  // namespace
}  // namespace moesaic::executor::cuda

int main() {
  using namespace moesaic::executor::cuda;
  int devices = 0;
  if (cudaGetDeviceCount(&devices) == cudaSuccess && devices > 0 && !grouped_matmul_sm90_takes(8, 8, {})) {
    std::fprintf(stderr, "grouped_matmul: no device of compute capability 9.x, nothing is measured\n");
    return 77;
  }
  return print_measurements("grouped_matmul", measure);
}
