#include "executor/cuda/router.h"

#include <numeric>

#include "core/schema/error.h"
#include "executor/reference/once_per_node.h"
#include "executor/reference/router.h"
#include "executor/reference/row_placement.h"
#include "tests/executor/cuda/cuda_test.h"

namespace moesaic::executor::cuda {
namespace {

using Ints = std::vector<int32_t>;

struct RouterCase {
  RouterShape shape;  // tokens, hidden, experts, top k, normalised
  int64_t chunks = 1, slices = 1;
  int64_t replicas = 0;  // slots beyond one per slice of an expert
  int64_t capacity = kNoCapacity;
  bool padded = false;
  int64_t nodes = 0;  // to which tokens go once

  int64_t first_token(int64_t chunk) const { return chunk * shape.m / chunks; }
  int64_t chunk_capacity(int64_t chunk) const {
    return capacity == kNoCapacity ? kNoCapacity : (chunk + 1) * capacity / chunks - chunk * capacity / chunks;
  }
  /// Slices of experts in a scattered order: 521 is a prime above all counts below. Then the first ones once more.
  std::vector<int> slot_to_expert() const {
    std::vector<int> slots;
    const int64_t count = shape.num_experts * slices;
    for (int64_t slot = 0; slot < count + replicas; ++slot)
      slots.push_back(static_cast<int>(slot % count * 521 % count));
    return slots;
  }
};

/// Chunk by chunk, each with a send buffer of its own.
Ints expected_rows(const RouterCase& c, const Ints& chosen) {
  const std::vector<int> slots = c.slot_to_expert();
  Ints rows(chosen.size() * static_cast<size_t>(c.slices));
  for (int64_t chunk = 0; chunk < c.chunks; ++chunk) {
    const int64_t first = c.first_token(chunk) * c.shape.top_k;
    reference::place_rows(chosen.data() + first, c.first_token(chunk + 1) - c.first_token(chunk), c.shape.top_k,
                          {slots, static_cast<int>(c.slices), c.padded ? c.chunk_capacity(chunk) : 0},
                          rows.data() + first * c.slices);
  }
  return rows;
}

/// Of rows, and of how many each slot has, those once per (token, node); counts per node are appended.
Ints expected_places(const RouterCase& c, const Ints& chosen, const Ints& rows, Ints& counts) {
  const std::vector<int> slots = c.slot_to_expert();
  Ints places(rows.size()), ignored(rows.size());
  for (int64_t chunk = 0; chunk < c.chunks; ++chunk) {
    const int64_t first = c.first_token(chunk) * c.shape.top_k,
                  tokens = c.first_token(chunk + 1) - c.first_token(chunk);
    const std::vector<int64_t> of_slots = reference::place_rows(chosen.data() + first, tokens, c.shape.top_k,
                                                                {slots, static_cast<int>(c.slices), 0}, ignored.data());
    std::vector<int64_t> starts;
    for (int64_t node = 0; node < c.nodes; ++node)
      starts.push_back(std::accumulate(of_slots.begin(), of_slots.begin() + node * std::ssize(slots) / c.nodes, 0L));
    Ints of_nodes(starts.size());
    reference::place_once(rows.data() + first * c.slices, tokens, c.shape.top_k * c.slices, starts,
                          places.data() + first * c.slices, of_nodes.data());
    counts.insert(counts.end(), of_nodes.begin(), of_nodes.end());
  }
  return places;
}

/// What the reference says of z and w, chunk by chunk.
struct Expected {
  Doubles p, weights;
  Ints chosen, counts;

  Expected(const RouterCase& c, const Doubles& z, const Doubles& w)
      : p(static_cast<size_t>(c.shape.m * c.shape.num_experts)),
        weights(static_cast<size_t>(c.shape.m * c.shape.top_k)),
        chosen(weights.size()) {
    for (int64_t chunk = 0; chunk < c.chunks; ++chunk) {
      const int64_t first = c.first_token(chunk);
      std::vector<int64_t> of_chunk(static_cast<size_t>(c.shape.num_experts));
      reference::router_forward(z.data() + first * c.shape.h, w.data(), p.data() + first * c.shape.num_experts,
                                chosen.data() + first * c.shape.top_k, weights.data() + first * c.shape.top_k,
                                of_chunk.data(),
                                {c.first_token(chunk + 1) - first, c.shape.h, c.shape.num_experts, c.shape.top_k,
                                 c.chunk_capacity(chunk), c.shape.normalised});
      counts.insert(counts.end(), of_chunk.begin(), of_chunk.end());
    }
  }
};

/// The route tensor by part, poisoned.
struct DeviceRoute {
  DeviceInts chosen, rows, places;
  DeviceFloats weights;

  DeviceRoute(CudaBackend& backend, const RouterCase& c)
      : chosen(backend, Ints(choices(c), 77)),
        rows(backend, Ints(choices(c) * static_cast<size_t>(c.slices), 77)),
        places(backend, Ints(choices(c) * static_cast<size_t>(c.slices), 77)),
        weights(backend, Floats(choices(c), 77.0f)) {}
  Route route() const { return {chosen.data(), weights.data(), rows.data(), places.data()}; }
  static size_t choices(const RouterCase& c) { return static_cast<size_t>(c.shape.m * c.shape.top_k); }
};

template <typename Element>
class RouterOnCuda : public CudaTest {
 protected:
  void forward(const RouterCase& c, const Element* z, const Element* w, float* p, const DeviceRoute& route,
               int32_t* counts) {
    const std::vector<int> slots = c.slot_to_expert();
    router_forward(backend->linear(), z, w, p, route.route(), counts, c.shape, c.chunks,
                   {slots, c.slices, c.capacity, c.padded, c.nodes}, stream);
  }

  void compare_forward(const RouterCase& c) {
    SCOPED_TRACE(::testing::Message() << c.shape.m << " tokens, " << c.shape.num_experts << " experts, top "
                                      << c.shape.top_k << ", " << c.chunks << " chunks, " << c.slices << " slices, "
                                      << c.replicas << " replicas, capacity " << c.capacity);
    const auto z = random_elements<Element>(c.shape.m * c.shape.h, 1),
               w = random_elements<Element>(c.shape.num_experts * c.shape.h, 2);
    Expected expected(c, to_double(z), to_double(w));
    const Ints rows = expected_rows(c, expected.chosen);
    const Ints places =
        c.nodes == 0 ? Ints(rows.size(), 77) : expected_places(c, expected.chosen, rows, expected.counts);
    const DeviceArray<Element> on_z(*backend, z), on_w(*backend, w);
    const DeviceFloats p(*backend, poisoned(c.shape.m * c.shape.num_experts));
    const DeviceInts counts(*backend, Ints(expected.counts.size(), 77));
    const DeviceRoute route(*backend, c);
    forward(c, on_z.data(), on_w.data(), p.data(), route, counts.data());
    expect_close(p.values(), expected.p, 2e-6, "p");
    EXPECT_EQ(route.chosen.values(), expected.chosen);
    EXPECT_EQ(counts.values(), expected.counts);
    EXPECT_EQ(route.rows.values(), rows);
    EXPECT_EQ(route.places.values(), places);
    expect_close(route.weights.values(), expected.weights, 2e-6, "weights");
  }

  /// Of counts from two ranks, and from a choice that capacity has thinned out.
  void compare_backward(const RouterCase& c) {
    SCOPED_TRACE(::testing::Message() << c.shape.m << " tokens, " << c.shape.num_experts << " experts, top "
                                      << c.shape.top_k << ", capacity " << c.capacity);
    const int64_t m = c.shape.m, h = c.shape.h, experts = c.shape.num_experts;
    const auto z = random_elements<Element>(m * h, 1), w = random_elements<Element>(experts * h, 2),
               dw_before = random_elements<Element>(experts * h, 3);
    const Floats dweights = random_floats(m * c.shape.top_k, 4);
    const Expected forward_pass(c, to_double(z), to_double(w));
    Floats p, weights;
    for (double value : forward_pass.p) p.push_back(static_cast<float>(value));
    for (double value : forward_pass.weights) weights.push_back(static_cast<float>(value));
    // [2 ranks * chunks, experts], in memory behind another layer's of the same rank
    const int64_t of_rank = c.chunks * experts;
    Ints all_counts, with_other_layer(static_cast<size_t>(4 * of_rank), 1000);
    for (int64_t i = 0; i < 2 * of_rank; ++i) {
      all_counts.push_back(static_cast<int32_t>(i * 5 % 7));
      with_other_layer[static_cast<size_t>((2 * (i / of_rank) + 1) * of_rank + i % of_rank)] = all_counts.back();
    }

    // gradient_e = scale n_e, loss = 1/4 + scale sum_e n_e sum_t p_te
    constexpr double kLossScale = 0.125;
    Doubles auxiliary(static_cast<size_t>(experts), 0.0);
    for (size_t i = 0; i < all_counts.size(); ++i) auxiliary[i % auxiliary.size()] += kLossScale * all_counts[i];
    double loss64 = 0.25;
    for (size_t i = 0; i < p.size(); ++i) loss64 += auxiliary[i % auxiliary.size()] * static_cast<double>(p[i]);
    Doubles dz64(z.size(), 0.0), dw64 = to_double(dw_before);
    reference::router_backward(to_double(dweights).data(), to_double(p).data(), forward_pass.chosen.data(),
                               auxiliary.data(), to_double(z).data(), to_double(w).data(), dz64.data(), dw64.data(),
                               {m, h, experts, c.shape.top_k, c.capacity, c.shape.normalised});

    const DeviceArray<Element> on_z(*backend, z), on_w(*backend, w), dz(*backend, poisoned_elements<Element>(m * h)),
        dw(*backend, dw_before);
    const DeviceFloats on_dweights(*backend, dweights), on_p(*backend, p), on_weights(*backend, weights);
    const DeviceInts chosen(*backend, forward_pass.chosen), counts(*backend, with_other_layer);
    const DeviceArray<double> loss(*backend, {0.25});
    router_backward(backend->linear(), on_dweights.data(), on_p.data(), chosen.data(), on_weights.data(),
                    {kLossScale, counts.data() + of_rank, 2 * c.chunks, loss.data(), c.chunks, 2 * of_rank},
                    on_z.data(), on_w.data(), dz.data(), dw.data(), c.shape, stream);
    // In bf16 the gradients of logits are rounded, each to 2^-8 of its size, before they are summed: 4.4e-3 was seen,
    // 6e-7 in f32.
    const double tolerance = sizeof(Element) == sizeof(float) ? 2e-6 : 6e-3;
    expect_rows_close(to_double(dz.values()), dz64, h, tolerance, "dz");
    expect_rows_close(to_double(dw.values()), dw64, h, tolerance, "dw");
    EXPECT_NEAR(loss.values()[0], loss64, 1e-12 * loss64);
  }
};
TYPED_TEST_SUITE(RouterOnCuda, Elements);

TYPED_TEST(RouterOnCuda, ChoosesAsTheReferenceAndPlacesRowsBySlot) {
  for (const RouterCase& c :
       std::vector<RouterCase>{{{1, 3, 1, 1}},
                               {{40, 17, 5, 5}},         // every expert chosen
                               {{40, 17, 5, 3, false}},  // probabilities as they are
                               {{130, 33, 64, 2}},       // three blocks of tokens
                               {{61, 20, 37, 8}, 2},    // two lanes' worth of experts, 37 per chunk in 30 and 31 tokens
                               {{300, 16, 8, 2}, 2},    // several blocks per chunk
                               {{2, 8, 4, 2}, 3},       // a chunk without tokens
                               {{0, 8, 4, 2}},          // no tokens
                               {{90, 16, 6, 2}, 2, 2},  // two slices of each expert
                               {{90, 16, 6, 2}, 1, 1, 4},   // two slots for four of the experts
                               {{90, 16, 5, 3}, 2, 2, 13},  // slices and replicas
                               {{40, 17, 5, 2}, 1, 1, 0, 6},
                               {{40, 17, 5, 1}, 1, 1, 0, 0},          // no room at all
                               {{150, 17, 5, 2}, 2, 2, 3, 51, true},  // padded: 25 and 26 rows per slice
                               {{70, 16, 200, 4}},
                               {{20, 16, 512, 40}}})
    this->compare_forward(c);
}

TYPED_TEST(RouterOnCuda, PlacesRowsOncePerTokenAndNode) {
  for (const RouterCase& c :
       std::vector<RouterCase>{{.shape = {1, 3, 2, 1}, .nodes = 2},
                               {.shape = {300, 16, 8, 3}, .chunks = 2, .nodes = 2},
                               {.shape = {300, 16, 8, 3}, .chunks = 2, .nodes = 4},
                               {.shape = {700, 8, 16, 16}, .nodes = 4},  // every token to every node
                               {.shape = {90, 16, 6, 2}, .slices = 2, .nodes = 3},
                               {.shape = {90, 16, 5, 3}, .chunks = 2, .slices = 2, .replicas = 6, .nodes = 4},
                               {.shape = {40, 17, 8, 2}, .capacity = 6, .nodes = 2},  // some are dropped
                               {.shape = {2, 8, 4, 2}, .chunks = 3, .nodes = 2},
                               {.shape = {0, 8, 4, 2}, .nodes = 2}})
    this->compare_forward(c);
}

TYPED_TEST(RouterOnCuda, GradientsAgreeWithTheReference) {
  for (const RouterCase& c : std::vector<RouterCase>{{{1, 3, 1, 1}},
                                                     {{40, 17, 5, 1}},
                                                     {{40, 17, 5, 5}},
                                                     {{40, 17, 5, 3, false}},
                                                     {{40, 17, 5, 1, false}, 1, 1, 0, 6},
                                                     {{130, 32, 64, 2}, 2},
                                                     {{70, 16, 37, 8}},
                                                     {{40, 17, 5, 2}, 1, 1, 0, 6},
                                                     {{33, 16, 300, 3}}})
    this->compare_backward(c);
}

TYPED_TEST(RouterOnCuda, EqualProbabilitiesGoToTheLowerIndex) {
  const RouterCase c{{3, 1, 6, 2}};  // every logit 0.5
  const DeviceArray<TypeParam> z(*this->backend, as_elements<TypeParam>(Floats(3, 1.0f))),
      w(*this->backend, as_elements<TypeParam>(Floats(6, 0.5f)));
  const DeviceFloats p(*this->backend, poisoned(18));
  const DeviceInts counts(*this->backend, Ints(6, 77));
  const DeviceRoute route(*this->backend, c);
  this->forward(c, z.data(), w.data(), p.data(), route, counts.data());
  EXPECT_EQ(route.chosen.values(), (Ints{0, 1, 0, 1, 0, 1}));
  EXPECT_EQ(counts.values(), (Ints{3, 3, 0, 0, 0, 0}));
  EXPECT_EQ(route.weights.values(), Floats(6, 0.5f));
  EXPECT_EQ(route.rows.values(), expected_rows(c, {0, 1, 0, 1, 0, 1}));
}

TYPED_TEST(RouterOnCuda, NaNGivesValidIndices) {
  const RouterCase c{{2, 1, 4, 2}};
  const DeviceArray<TypeParam> z(*this->backend, poisoned_elements<TypeParam>(2)),
      w(*this->backend, as_elements<TypeParam>(Floats(4, 0.5f)));
  const DeviceFloats p(*this->backend, Floats(8, 0.0f));
  const DeviceInts counts(*this->backend, Ints(4, 77));
  const DeviceRoute route(*this->backend, c);
  this->forward(c, z.data(), w.data(), p.data(), route, counts.data());
  EXPECT_EQ(route.chosen.values(), (Ints{0, 1, 0, 1})) << "a fault must not become a wild row index";
  EXPECT_TRUE(std::isnan(route.weights.values()[0]));
  EXPECT_TRUE(std::isnan(p.values()[7]));
}

TYPED_TEST(RouterOnCuda, RefusesMoreExpertsThanAWarpHolds) {
  const RouterCase c{{1, 1, 513, 1}};
  const DeviceArray<TypeParam> z(*this->backend, as_elements<TypeParam>(Floats(1, 1.0f))),
      w(*this->backend, as_elements<TypeParam>(Floats(513, 0.5f)));
  const DeviceFloats p(*this->backend, poisoned(513));
  const DeviceInts counts(*this->backend, Ints(513, 77));
  const DeviceRoute route(*this->backend, c);
  EXPECT_THROW(this->forward(c, z.data(), w.data(), p.data(), route, counts.data()), DeviceError);
}

}  // namespace
}  // namespace moesaic::executor::cuda
