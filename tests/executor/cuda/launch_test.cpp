// How tasks reach the dense operators: operands, formats, update ranges, skipped steps. What the operators compute is
// tested beside each.
#include "executor/cuda/storage_format.h"
#include "executor/reference/adamw.h"
#include "executor/reference/embedding.h"
#include "executor/reference/layer_norm.h"
#include "tests/executor/cuda/cuda_test.h"

namespace moesaic::executor::cuda {
namespace {

template <typename Element>
class LaunchOnCuda : public CudaTestOf<Element> {
 protected:
  static Operand operand(const DeviceArray<Element>& x, int64_t rows, int64_t row_elements, TensorId tensor = -1) {
    return {tensor, x.data(), rows, row_elements, kFormatOf<Element>};
  }
  static Operand operand(const DeviceInts& x, int64_t rows) { return {-1, x.data(), rows, 1, DType::i32}; }
  template <typename T>
  DeviceArray<T> on_device(const std::vector<T>& values) {
    return DeviceArray<T>(*this->backend, values);
  }
  static Task task(Op op, int64_t m, int64_t n, int64_t k) {
    Task task;
    task.op = op;
    task.fixed_rows = m;
    task.shape.n = n, task.shape.k = k;
    return task;
  }
};
TYPED_TEST_SUITE(LaunchOnCuda, Elements);

// A wrong format would take half of the bytes, or twice as many.
TYPED_TEST(LaunchOnCuda, ClearsAllBytesOfATensorAndNoMore) {
  const auto x = random_elements<TypeParam>(35, 1);
  const auto on_x = this->on_device(x);
  const Operand writes[] = {this->operand(on_x, 3, 10)};
  this->backend->launch({this->task(Op::clear, 3, 0, 10), {}, writes, {}, StepContext{}});
  auto expected = as_elements<TypeParam>(Floats(30, 0.0f));
  expected.insert(expected.end(), x.begin() + 30, x.end());
  EXPECT_EQ(on_x.values(), expected);
}

// tokens, table -> x; dx, tokens -> d_table: token 2 comes twice.
TYPED_TEST(LaunchOnCuda, LooksUpAndAddsBack) {
  const int64_t m = 3, v = 4, h = 8;
  const auto tokens = this->on_device(std::vector<int32_t>{2, 0, 2});
  const auto table = random_elements<TypeParam>(v * h, 1);
  const auto on_table = this->on_device(table), x = this->on_device(poisoned_elements<TypeParam>(m * h));
  const auto dtable = this->on_device(as_elements<TypeParam>(Floats(static_cast<size_t>(v * h), 0.0f)));
  const Operand from[] = {this->operand(tokens, m), this->operand(on_table, v, h)}, to[] = {this->operand(x, m, h)};
  this->backend->launch({this->task(Op::embed, m, v, h), from, to, {}, StepContext{}});
  const Operand back[] = {this->operand(x, m, h), this->operand(tokens, m)}, added[] = {this->operand(dtable, v, h)};
  this->backend->launch({this->task(Op::embed_backward, m, v, h), back, added, {}, StepContext{}});
  Doubles expected(table.size(), 0.0);
  for (size_t j = 0; j < 8; ++j) {
    expected[j] = to_float(table[j]);
    expected[16 + j] = 2.0 * to_float(table[16 + j]);
  }
  EXPECT_EQ(to_double(dtable.values()), expected);
}

// x, gain_bias -> y, statistics (f32 in either format).
TYPED_TEST(LaunchOnCuda, NormalisesWithStatisticsInF32) {
  const int64_t m = 3, h = 16;
  const auto x = random_elements<TypeParam>(m * h, 1), gain_bias = random_elements<TypeParam>(2 * h, 2);
  Doubles y64(x.size()), stats64(6);
  reference::layer_norm_forward(to_double(x).data(), to_double(gain_bias).data(), y64.data(), stats64.data(), m, h);
  const auto on_x = this->on_device(x), on_gain = this->on_device(gain_bias);
  const auto y = this->on_device(poisoned_elements<TypeParam>(m * h));
  const DeviceFloats stats(*this->backend, poisoned(2 * m));
  const Operand reads[] = {this->operand(on_x, m, h), this->operand(on_gain, 2, h)};
  const Operand writes[] = {this->operand(y, m, h), {-1, stats.data(), m, 2, DType::f32}};
  const Plan plan;
  StepContext context;
  context.plan = &plan;
  this->backend->launch({this->task(Op::norm, m, 0, h), reads, writes, {}, context});
  expect_stored(y.values(), y64, 1e-6, "y");
  expect_close(stats.values(), stats64, 1e-6, "stats");
}

/// A weight of 50 elements of which [3, 10) decays, [10, 40) does not, and the rest is other ranks'.
template <typename Element>
class UpdateOnCuda : public CudaTestOf<Element> {
 protected:
  static constexpr int64_t kCount = 50;

  /// Moments [m | v] all 0.25, and the master weight of bf16.
  static Floats state_before(const Floats& master) {
    Floats state(2 * kCount, 0.25f);
    if (sizeof(Element) < sizeof(float)) state.insert(state.end(), master.begin(), master.end());
    return state;
  }
  void update(const DeviceArray<Element>& w, const DeviceFloats& state, const DeviceArray<Element>& g, bool skip) {
    const DType format = kFormatOf<Element>;
    const Operand gradient{0, g.data(), 1, kCount, format};
    const Operand reads[] = {gradient};
    const Operand writes[] = {
        {1, w.data(), 1, kCount, format}, {2, state.data(), format == DType::bf16 ? 3 : 2, kCount}, gradient};
    Task task;
    task.op = Op::adamw;
    StepContext context;
    context.plan = &plan;
    context.step = 6;
    context.update_ranges = {{}, {{3, 10, true}, {10, 40, false}}, {}};
    context.update.skip = skip;
    this->backend->launch({task, reads, writes, {}, context});
  }

  Plan plan;
  const Floats initial = random_floats(kCount, 1);
  const std::vector<Element> gradients = random_elements<Element>(kCount, 2);
  const std::vector<Element> zeros = as_elements<Element>(Floats(kCount, 0.0f));
};
TYPED_TEST_SUITE(UpdateOnCuda, Elements);

// Step 6 from 0 is AdamW's seventh.
TYPED_TEST(UpdateOnCuda, UpdatesTheRangesAndClearsTheWholeGradient) {
  constexpr int64_t n = this->kCount;
  const DeviceArray<TypeParam> w(*this->backend, as_elements<TypeParam>(this->initial)),
      g(*this->backend, this->gradients);
  const DeviceFloats state(*this->backend, this->state_before(this->initial));
  this->update(w, state, g, false);
  Doubles w64 = to_double(this->initial), m64(n, 0.25), v64(n, 0.25);
  const Doubles g64 = to_double(this->gradients);
  const Optimizer& o = this->plan.workload.optimizer;
  const reference::AdamW settings{o.learning_rate, o.beta1, o.beta2, o.epsilon, o.weight_decay};
  reference::adamw_update(w64.data() + 3, g64.data() + 3, m64.data() + 3, v64.data() + 3, 7, settings, 7, true);
  reference::adamw_update(w64.data() + 10, g64.data() + 10, m64.data() + 10, v64.data() + 10, 30, settings, 7, false);
  expect_stored(w.values(), w64, 1e-6, "w");
  Doubles state64 = m64;
  state64.insert(state64.end(), v64.begin(), v64.end());
  if (sizeof(TypeParam) < sizeof(float)) state64.insert(state64.end(), w64.begin(), w64.end());
  expect_close(state.values(), state64, 1e-6, "m, v and master");
  EXPECT_EQ(g.values(), this->zeros);
}

TYPED_TEST(UpdateOnCuda, OnlyClearsTheGradientInASkippedStep) {
  const auto before = as_elements<TypeParam>(this->initial);
  const DeviceArray<TypeParam> w(*this->backend, before), g(*this->backend, this->gradients);
  const DeviceFloats state(*this->backend, this->state_before(this->initial));
  this->update(w, state, g, true);
  EXPECT_EQ(w.values(), before);
  EXPECT_EQ(state.values(), this->state_before(this->initial));
  EXPECT_EQ(g.values(), this->zeros);
}

}  // namespace
}  // namespace moesaic::executor::cuda
