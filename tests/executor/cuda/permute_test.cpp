#include "executor/cuda/permute.h"

#include "executor/reference/permute.h"
#include "tests/executor/cuda/cuda_test.h"

namespace moesaic::executor::cuda {
namespace {

class PermuteOnCuda : public CudaTest {};

/// Rows of the send buffer for `choices` choices in a scattered order (7 is coprime to the counts below), every fifth
/// dropped.
std::vector<int32_t> scattered_rows(int64_t choices, int64_t& rows) {
  std::vector<int32_t> row_of_choice(static_cast<size_t>(choices), -1);
  rows = 0;
  for (int64_t i = 0; i < choices; ++i)
    if (const int64_t choice = i * 7 % choices; choice % 5 != 4)
      row_of_choice[static_cast<size_t>(choice)] = static_cast<int32_t>(rows++);
  return row_of_choice;
}

TEST_F(PermuteOnCuda, AgreesWithTheReference) {
  for (const auto& [m, k] : {std::pair<int64_t, int64_t>{1, 1}, {5, 2}, {64, 4}, {33, 1}})
    for (const int64_t h : {1, 4, 30, 512, 1000}) {
      SCOPED_TRACE(testing::Message() << m << " tokens, top " << k << ", hidden " << h);
      int64_t rows = 0;
      const std::vector<int32_t> row_of_choice = scattered_rows(m * k, rows);
      const Floats z = random_floats(m * h, 1), returned = random_floats(rows * h, 2),
                   weights = random_floats(m * k, 3);
      const Floats dout = random_floats(m * h, 4), dz_before = random_floats(m * h, 5);
      const reference::PermuteShape shape64{m, k, h};
      Doubles send64(returned.size()), dz64 = to_double(dz_before), out64(z.size()), dreturned64(returned.size()),
                                       dweights64(weights.size());
      reference::permute_forward(to_double(z).data(), row_of_choice.data(), send64.data(), shape64);
      reference::permute_backward(to_double(returned).data(), row_of_choice.data(), dz64.data(), shape64);
      reference::unpermute_forward(to_double(returned).data(), row_of_choice.data(), to_double(weights).data(),
                                   to_double(z).data(), out64.data(), shape64);
      reference::unpermute_backward(to_double(dout).data(), to_double(returned).data(), row_of_choice.data(),
                                    to_double(weights).data(), dreturned64.data(), dweights64.data(), shape64);

      const PermuteShape shape{m, k, h};
      const DeviceInts order(*backend, row_of_choice);
      const DeviceFloats on_z(*backend, z), on_returned(*backend, returned), on_weights(*backend, weights),
          on_dout(*backend, dout);
      const DeviceFloats send(*backend, poisoned(rows * h)), dz(*backend, dz_before), out(*backend, z);
      const DeviceFloats dreturned(*backend, poisoned(rows * h)), dweights(*backend, poisoned(m * k));
      permute_forward(on_z.data(), order.data(), send.data(), shape, stream);
      permute_backward(on_returned.data(), order.data(), dz.data(), shape, stream);
      unpermute_forward(on_returned.data(), order.data(), on_weights.data(), out.data(), out.data(), shape, stream);
      unpermute_backward(on_dout.data(), on_returned.data(), order.data(), on_weights.data(), dreturned.data(),
                         dweights.data(), shape, stream);
      EXPECT_EQ(to_double(send.values()), send64);
      expect_close(dz.values(), dz64, 1e-6, "dz");
      expect_close(out.values(), out64, 1e-6, "out");
      expect_close(dreturned.values(), dreturned64, 1e-6, "dreturned");
      expect_close(dweights.values(), dweights64, 2e-6, "dweights");
    }
}

TEST_F(PermuteOnCuda, WithoutResidualStartsFromZero) {
  const Floats returned = random_floats(2 * 6, 1);
  const DeviceInts order(*backend, {1, -1, 0});
  const DeviceFloats rows(*backend, returned), weights(*backend, {2.0f, 3.0f, 0.5f}), out(*backend, poisoned(3 * 6));
  unpermute_forward(rows.data(), order.data(), weights.data(), nullptr, out.data(), {3, 1, 6}, stream);
  Floats expected(18, 0.0f);
  for (size_t j = 0; j < 6; ++j) expected[j] = 2.0f * returned[6 + j], expected[12 + j] = 0.5f * returned[j];
  EXPECT_EQ(out.values(), expected);
}

}  // namespace
}  // namespace moesaic::executor::cuda
