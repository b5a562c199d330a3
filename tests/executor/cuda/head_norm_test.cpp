#include "executor/cuda/head_norm.h"

#include "executor/reference/rms_norm.h"
#include "tests/executor/cuda/cuda_test.h"

namespace moesaic::executor::cuda {
namespace {

constexpr float kHeadEpsilon = 1e-6f;

template <typename Element>
class HeadNormOnCuda : public CudaTestOf<Element> {
 protected:
  /// Sums of at most 192 f32 terms: 2e-6 of the largest value.
  void compare(const HeadNormShape& s) {
    SCOPED_TRACE(::testing::Message() << s.m << " rows, " << s.heads << " + " << s.kv_heads << " heads of "
                                      << s.head_dim << (s.whole ? " together" : ""));
    const int64_t columns = (s.heads + 2 * s.kv_heads) * s.head_dim,
                  gains = (s.whole ? s.heads + s.kv_heads : 2) * s.head_dim,
                  statistics = s.m * (s.whole ? 2 : s.heads + s.kv_heads);
    const auto qkv = random_elements<Element>(s.m * columns, 1, 3.0), gain = random_elements<Element>(gains, 2),
               dy = random_elements<Element>(s.m * columns, 3), before = random_elements<Element>(gains, 4);
    Doubles y64(qkv.size()), statistics64(static_cast<size_t>(statistics)), dqkv64(qkv.size()),
        dgain64 = to_double(before);
    reference::head_norm_forward(to_double(qkv).data(), to_double(gain).data(), y64.data(), statistics64.data(), s,
                                 kHeadEpsilon);
    reference::head_norm_backward(to_double(dy).data(), to_double(qkv).data(), statistics64.data(),
                                  to_double(gain).data(), dqkv64.data(), dgain64.data(), s);
    CudaBackend& b = *this->backend;
    const DeviceArray<Element> on_qkv(b, qkv), on_gain(b, gain), on_dy(b, dy),
        y(b, poisoned_elements<Element>(s.m * columns)), dqkv(b, poisoned_elements<Element>(s.m * columns)),
        dgain(b, before);
    const DeviceFloats on_statistics(b, poisoned(statistics));
    for (const bool from_sums : {false, true}) {
      if (from_sums && !s.whole) continue;
      const DeviceFloats squares(b, poisoned(2 * s.m)), products(b, poisoned(2 * s.m));
      const DeviceArray<Element> again(b, before);
      const Element* nothing = nullptr;
      head_sums(on_qkv.data(), nothing, nothing, squares.data(), from_sums ? s : HeadNormShape{}, this->stream);
      head_sums(on_qkv.data(), on_dy.data(), on_gain.data(), products.data(), from_sums ? s : HeadNormShape{},
                this->stream);
      head_norm_forward(on_qkv.data(), on_gain.data(), y.data(), on_statistics.data(), s, kHeadEpsilon,
                        from_sums ? RankSums{squares.data(), 1} : RankSums{}, this->stream);
      head_norm_backward(on_dy.data(), on_qkv.data(), on_statistics.data(), on_gain.data(), dqkv.data(), again.data(),
                         s, from_sums ? RankSums{products.data(), 1} : RankSums{}, b.linear().scratch(), this->stream);
      expect_stored(y.values(), y64, 1e-6, "y");
      expect_close(on_statistics.values(), statistics64, 1e-6, "statistics");
      expect_stored(dqkv.values(), dqkv64, 4e-6, "dqkv");
      expect_stored(again.values(), dgain64, 4e-6, "dgain");
    }
  }
};
TYPED_TEST_SUITE(HeadNormOnCuda, Elements);

TYPED_TEST(HeadNormOnCuda, AgreesWithTheReference) {
  for (const bool whole : {false, true}) {
    this->compare({1, 1, 1, 2, whole});
    this->compare({7, 4, 2, 24, whole});
    this->compare({3, 12, 3, 33, whole});   // more heads than warps, more gains than threads of a block
    this->compare({1100, 2, 1, 4, whole});  // more rows than blocks
    this->compare({0, 4, 2, 8, whole});
  }
}

}  // namespace
}  // namespace moesaic::executor::cuda
