// How tasks reach the operators of the MoE layer: one layer forward and backward on one rank, task by task as a step
// launches them, against the layer in double. What the operators compute is tested beside each.
#include "executor/reference/moe_layer.h"

#include <numeric>

#include "core/routing/routing_rules.h"
#include "executor/cuda/storage_format.h"
#include "executor/reference/layer_norm.h"
#include "tests/executor/cuda/cuda_test.h"

namespace moesaic::executor::cuda {
namespace {

constexpr int64_t kTokens = 40, kHidden = 24, kWidth = 32, kExperts = 6, kTopK = 2;
constexpr double kAuxiliary = 0.05;

struct Options {
  int chunks = 1, slices = 1;
  int replicas = 0;  // slots beyond one per slice of an expert
  double capacity_factor = 0;
  bool padded = false, windows = false;
};

/// The layer in double from x that a layer norm with gain 1 and bias 0 makes z.
struct Truth {
  Doubles x, out, dout, dx;
  reference::MoeParameters parameters, gradients;
  reference::MoeActivations saved;

  explicit Truth(const Options& o)
      : x(to_double(random_floats(kTokens * kHidden, 44))),
        out(x.size()),
        dout(to_double(random_floats(kTokens * kHidden, 2))),
        dx(x.size()) {
    const int64_t matrices = kExperts * kWidth * kHidden;
    parameters = {Doubles(kHidden, 1.0), to_double(random_floats(kExperts * kHidden, 3)),
                  to_double(random_floats(matrices, 4, 0.5)), to_double(random_floats(matrices, 5, 0.5))};
    parameters.norm.resize(2 * kHidden, 0.0);
    gradients = {Doubles(2 * kHidden), Doubles(kExperts * kHidden), Doubles(matrices), Doubles(matrices)};
    for (Doubles* values : {&x, &dout, &parameters.router, &parameters.up, &parameters.down})
      for (double& value : *values) value = to_float(to_bf16(static_cast<float>(value)));  // exact in either format
    reference::MoeShape shape{kTokens, kHidden, kWidth, kExperts, kTopK};
    shape.alpha = kAuxiliary;
    if (o.capacity_factor > 0) shape.capacity = capacity_rows(o.capacity_factor, kTokens, kTopK, kExperts);
    saved = reference::moe_layer_forward(x.data(), parameters, out.data(), shape);
    reference::moe_layer_backward(dout.data(), x.data(), parameters, saved, dx.data(), gradients, shape);
  }
  /// By how much of itself a chosen probability is above the next, at least: rounding must not choose another expert.
  double margin() const {
    double least = 1.0;
    for (int64_t t = 0; t < kTokens; ++t) {
      Doubles p(saved.p.begin() + t * kExperts, saved.p.begin() + (t + 1) * kExperts);
      std::sort(p.rbegin(), p.rend());
      least = std::min(least, 1.0 - p[kTopK] / p[kTopK - 1]);
    }
    return least;
  }
};

template <typename Element>
std::vector<Element> stored(const Doubles& x) {
  return as_elements<Element>(Floats(x.begin(), x.end()));
}

/// A rank that holds all experts.
template <typename Element>
class Layer {
 public:
  using Array = DeviceArray<Element>;

  Layer(CudaBackend& backend, const Options& o, const Truth& truth)
      : o_(o),
        backend_(backend),
        slots_(kExperts * o.slices + o.replicas),
        width_(kWidth / o.slices),
        up_(backend, slots(truth.parameters.up, true)),
        down_(backend, slots(truth.parameters.down, false)),
        d_up_(backend, std::vector<Element>(static_cast<size_t>(slots_ * width_ * kHidden))),
        d_down_(backend, std::vector<Element>(static_cast<size_t>(slots_ * width_ * kHidden))),
        z_(backend, stored<Element>(truth.saved.z)),
        x_(backend, stored<Element>(truth.x)),
        dout_(backend, stored<Element>(truth.dout)),
        router_(backend, stored<Element>(truth.parameters.router)) {
    plan_.model.hidden = kHidden, plan_.model.num_experts = kExperts, plan_.model.top_k = kTopK;
    plan_.model.auxiliary_coefficient = kAuxiliary;
    plan_.dispatch.capacity_factor = o.capacity_factor;
    plan_.dispatch.kind = o.padded ? DispatchKind::padded : DispatchKind::ragged;
    graph_.tokens_per_rank = kTokens, graph_.num_chunks = o.chunks, graph_.expert_slices = o.slices;
    ExpertPlacement placement{static_cast<int>(slots_), {}};
    for (int64_t slot = 0; slot < slots_; ++slot) placement.slot_to_expert.push_back(slice_of(slot));
    graph_.placement = {placement};
    graph_.tensors.resize(2);
    graph_.tensors[1].rows = Rows::active_slots;
    context_.graph = &graph_, context_.plan = &plan_;
  }

  void forward() {
    launch(Op::router, {typed(z_, kHidden), typed(router_, kHidden)}, {f32(p_), i32(route_), i32(counts_)}, 0,
           {.n = kExperts, .k = kHidden, .top_k = kTopK});
    bind();
    for (int c = 0; c < o_.chunks; ++c) {
      const Chunk& chunk = chunks_[static_cast<size_t>(c)];
      launch(Op::permute, {typed(z_, kHidden), i32(route_), i32(counts_)}, {typed(*chunk.send, kHidden)}, c, moves());
      regroup(Regroup::to_slots, *chunk.send, *chunk.received, c);
      std::vector<Operand> reads = {typed(*chunk.received, kHidden), i32(counts_)};
      add_weights(reads);
      launch(Op::experts, reads, {typed(*chunk.u, width_), typed(*chunk.a, width_), typed(*chunk.y, kHidden)}, c,
             {.n = width_, .k = kHidden});
      regroup(Regroup::from_slots, *chunk.y, *chunk.returned, c);
      launch(Op::unpermute, {typed(*chunk.returned, kHidden), i32(route_), typed(x_, kHidden)}, {typed(out_, kHidden)},
             c, moves());
    }
  }

  void backward() {
    std::vector<Operand> all = {i32(counts_)};
    for (int c = 0; c < o_.chunks; ++c) {
      const Chunk& chunk = chunks_[static_cast<size_t>(c)];
      launch(Op::unpermute_backward, {typed(dout_, kHidden), typed(*chunk.returned, kHidden), i32(route_)},
             {typed(*chunk.dy, kHidden), f32(d_weights_)}, c, moves());
      std::vector<Operand> reads = {typed(*chunk.dy, kHidden), i32(counts_), typed(*chunk.u, width_)};
      add_weights(reads);
      launch(Op::experts_dgrad, reads, {typed(*chunk.du, width_), typed(*chunk.dx, kHidden)}, c,
             {.n = width_, .k = kHidden});
      all.insert(all.end(), {typed(*chunk.received, kHidden), typed(*chunk.a, width_), typed(*chunk.dy, kHidden),
                             typed(*chunk.du, width_)});
    }
    const bool windows = o_.windows;
    launch(Op::experts_wgrad, all, {held(d_up_, windows, 0, slots_), held(d_down_, windows, 0, slots_)}, 0,
           {.n = width_, .k = kHidden});
    launch(Op::router_backward,
           {f32(d_weights_), f32(p_), i32(route_), of_one_rank(counts_), typed(z_, kHidden), typed(router_, kHidden)},
           {typed(dz_, kHidden), typed(d_router_, kHidden), {0, loss_.data(), 1, 2, DType::f32}}, 0,
           {.n = kExperts, .k = kHidden, .top_k = kTopK});
    for (int c = 0; c < o_.chunks; ++c)
      launch(Op::permute_backward,
             {typed(*chunks_[static_cast<size_t>(c)].dx, kHidden), i32(route_), typed(dz_, kHidden)},
             {typed(dz_, kHidden)}, c, moves());
  }

  std::vector<Element> out() const { return out_.values(); }
  std::vector<Element> dz() const { return dz_.values(); }
  std::vector<Element> d_router() const { return d_router_.values(); }
  double auxiliary() const { return loss_.values()[1]; }
  /// [experts, width, hidden] or [experts, hidden, width]: replicas added up, slices side by side.
  Doubles d_weights(bool up) const {
    const Doubles held = to_double((up ? d_up_ : d_down_).values());
    Doubles whole(static_cast<size_t>(kExperts * kWidth * kHidden), 0.0);
    for (int64_t slot = 0; slot < slots_; ++slot)
      for (int64_t i = 0; i < width_ * kHidden; ++i)
        whole[at(slice_of(slot), i, up)] += held[static_cast<size_t>(row_of(slot) * width_ * kHidden + i)];
    return whole;
  }

 private:
  struct Chunk {
    std::unique_ptr<Array> send, received, u, a, y, returned, dy, du, dx;
  };

  /// Slices of experts in a scattered order, the first ones once more: 5 is coprime to the counts of them.
  int slice_of(int64_t slot) const {
    const int64_t count = kExperts * o_.slices;
    return static_cast<int>((slot % count * 5 + 3) % count);
  }
  /// Windows hold the slots backwards.
  int64_t row_of(int64_t slot) const { return o_.windows ? slots_ - 1 - slot : slot; }
  /// Element i of a slice in the experts' whole matrices.
  size_t at(int slice, int64_t i, bool up) const {
    const int64_t expert = slice / o_.slices, part = slice % o_.slices;
    const int64_t in_expert = up ? part * width_ * kHidden + i : i / width_ * kWidth + part * width_ + i % width_;
    return static_cast<size_t>(expert * kWidth * kHidden + in_expert);
  }
  std::vector<Element> slots(const Doubles& whole, bool up) const {
    Doubles held(static_cast<size_t>(slots_ * width_ * kHidden));
    for (int64_t slot = 0; slot < slots_; ++slot)
      for (int64_t i = 0; i < width_ * kHidden; ++i)
        held[static_cast<size_t>(row_of(slot) * width_ * kHidden + i)] = whole[at(slice_of(slot), i, up)];
    return stored<Element>(held);
  }

  /// Counts as the runtime binds them, and buffers for as many rows.
  void bind() {
    const std::vector<int32_t> live = counts_.values();
    for (int c = 0; c < o_.chunks; ++c) {
      std::vector<int64_t> rows(live.begin() + c * kExperts, live.begin() + (c + 1) * kExperts);
      if (o_.padded)
        rows.assign(kExperts, chunk_share(capacity_rows(o_.capacity_factor, kTokens, kTopK, kExperts), c, o_.chunks));
      slot_counts_.push_back(split_over_slots(rows_of_slices(rows, o_.slices), 1,
                                              static_cast<int>(kExperts) * o_.slices, graph_.placement[0]));
      const int64_t n = slot_counts_.back().received(0);
      const auto buffer = [&](int64_t width) {
        return std::make_unique<Array>(backend_, poisoned_elements<Element>(n * width));
      };
      chunks_.push_back({buffer(kHidden), buffer(kHidden), buffer(width_), buffer(width_), buffer(kHidden),
                         buffer(kHidden), buffer(kHidden), buffer(width_), buffer(kHidden)});
    }
  }

  void launch(Op op, const std::vector<Operand>& reads, const std::vector<Operand>& writes, int chunk,
              const OpShape& shape, Regroup order = Regroup::none) {
    Task task;
    task.op = op, task.moe_layer = 0, task.chunk = chunk, task.shape = shape, task.regroup = order;
    task.num_chunks = op == Op::router || op == Op::router_backward || op == Op::experts_wgrad ? 1 : o_.chunks;
    task.fixed_rows = kTokens;
    backend_.launch({task, reads, writes, slot_counts_, context_});
  }
  void regroup(Regroup order, const Array& from, const Array& to, int chunk) {
    launch(Op::regroup, {typed(from, kHidden)}, {typed(to, kHidden)}, chunk, {.k = kHidden}, order);
  }
  OpShape moves() const { return {.k = kHidden, .top_k = kTopK * o_.slices}; }

  Operand typed(const Array& x, int64_t row_elements) const {
    return {0, x.data(), static_cast<int64_t>(x.values().size()) / row_elements, row_elements, kFormatOf<Element>};
  }
  static Operand f32(const DeviceFloats& x) { return {0, x.data(), static_cast<int64_t>(x.values().size()), 1}; }
  static Operand i32(const DeviceInts& x) {
    return {0, x.data(), static_cast<int64_t>(x.values().size()), 1, DType::i32};
  }
  /// [ranks, chunks * experts]
  static Operand of_one_rank(const DeviceInts& counts) {
    return {0, counts.data(), 1, static_cast<int64_t>(counts.values().size()), DType::i32};
  }
  /// Rows [first, last) of the slots' matrices, as a window or all at once.
  Operand held(const Array& x, bool window, int64_t first, int64_t last) const {
    const int64_t elements = width_ * kHidden;
    Operand operand{window ? 1 : 0, x.data() + first * elements, last - first, elements, kFormatOf<Element>};
    if (window)
      operand.slots = std::span(backwards_).subspan(static_cast<size_t>(first), static_cast<size_t>(last - first));
    return operand;
  }
  /// As two windows, of what was predicted and what was missing, or all at once.
  void add_weights(std::vector<Operand>& reads) const {
    const int64_t cut = o_.windows ? 2 : slots_;
    for (const auto& [first, last] : {std::pair{int64_t{0}, cut}, std::pair{cut, slots_}}) {
      if (first == last) continue;
      reads.push_back(held(up_, o_.windows, first, last));
      reads.push_back(held(down_, o_.windows, first, last));
    }
  }

  Options o_;
  CudaBackend& backend_;
  int64_t slots_, width_;
  Plan plan_;
  TaskGraph graph_;
  StepContext context_;
  std::vector<SlotCounts> slot_counts_;
  std::vector<Chunk> chunks_;
  std::vector<int> backwards_ = [this] {
    std::vector<int> slots(static_cast<size_t>(slots_));
    std::iota(slots.rbegin(), slots.rend(), 0);
    return slots;
  }();
  Array up_, down_, d_up_, d_down_, z_, x_, dout_, router_;
  Array out_{backend_, poisoned_elements<Element>(kTokens*kHidden)},
      dz_{backend_, poisoned_elements<Element>(kTokens*kHidden)},
      d_router_{backend_, std::vector<Element>(static_cast<size_t>(kExperts*kHidden))};
  DeviceFloats p_{backend_, poisoned(kTokens*kExperts)}, d_weights_{backend_, poisoned(kTokens*kTopK)};
  DeviceInts route_{backend_, std::vector<int32_t>(static_cast<size_t>((2 + o_.slices) * kTokens * kTopK), 77)},
      counts_{backend_, std::vector<int32_t>(static_cast<size_t>(o_.chunks*kExperts), 77)};
  DeviceArray<double> loss_{backend_, {0.0, 0.0}};
};

template <typename Element>
class MoeLayerOnCuda : public CudaTestOf<Element> {
 protected:
  void compare(const Options& o) {
    SCOPED_TRACE(::testing::Message() << o.chunks << " chunks, " << o.slices << " slices, " << o.replicas
                                      << " replicas, " << (o.padded ? "padded" : "ragged") << ", windows "
                                      << o.windows);
    const Truth truth(o);
    ASSERT_GT(truth.margin(), 0.1);
    Layer<Element> layer(*this->backend, o, truth);
    layer.forward();
    layer.backward();
    // In bf16 nine roundings of 2^-8 stand behind one another, most of them averaged by sums: 8.2e-3 of a row was seen,
    // 6e-7 in f32.
    const double tolerance = sizeof(Element) == sizeof(float) ? 2e-6 : 1.2e-2;
    expect_rows_close(to_double(layer.out()), truth.out, kHidden, tolerance, "out");
    Doubles dx(truth.x.size()), d_norm(2 * kHidden);
    reference::layer_norm_backward(to_double(layer.dz()).data(), truth.x.data(), truth.saved.stats.data(),
                                   truth.parameters.norm.data(), dx.data(), d_norm.data(), kTokens, kHidden);
    for (size_t i = 0; i < dx.size(); ++i) dx[i] += truth.dout[i];
    expect_rows_close(dx, truth.dx, kHidden, tolerance, "dx");
    expect_rows_close(to_double(layer.d_router()), truth.gradients.router, kHidden, tolerance, "d_router");
    for (const bool up : {true, false})
      expect_rows_close(layer.d_weights(up), up ? truth.gradients.up : truth.gradients.down, kWidth * kHidden,
                        tolerance, "d_weights");
    EXPECT_NEAR(layer.auxiliary(), truth.saved.auxiliary, tolerance * truth.saved.auxiliary);
  }
};
TYPED_TEST_SUITE(MoeLayerOnCuda, Elements);

TYPED_TEST(MoeLayerOnCuda, AgreesWithTheReference) {
  this->compare({});
  this->compare({.chunks = 3});
  this->compare({.slices = 2});
  this->compare({.replicas = 3});
  this->compare({.chunks = 2, .slices = 2, .replicas = 5, .windows = true});
  this->compare({.capacity_factor = 0.8});
  this->compare({.slices = 2, .capacity_factor = 0.8, .padded = true});
  this->compare({.capacity_factor = 1.5, .padded = true, .windows = true});
}

}  // namespace
}  // namespace moesaic::executor::cuda
