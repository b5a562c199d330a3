// Direct reduce-scatter: the owner of a slice receives every member's contribution to it and adds them in rank order. A
// ring would move the same bytes but add in an order that depends on the slice.

#include <cstddef>
#include <numeric>

#include "core/schema/bfloat16.h"
#include "core/schema/error.h"
#include "executor/comm/communicator.h"
#include "executor/comm/rank_ordered_sum.h"

namespace moesaic::executor {
namespace {

template <typename T>
class ReduceScatter final : public Operation {
 public:
  /// `arriving`: the loan that the received contributions stand in. contributions: [size] pointers, in rank order.
  ReduceScatter(PendingMessages messages, std::unique_ptr<BufferPool::Loan> arriving,
                std::vector<const T*> contributions, T* output, int64_t count)
      : arriving_(std::move(arriving)),
        messages_(std::move(messages)),
        contributions_(std::move(contributions)),
        output_(output),
        count_(count) {}
  std::vector<int> waiting_for() const override { return messages_.peers(); }

 private:
  // Sends are waited for as well: output may stand inside the input that they still read.
  bool advance() override {
    if (!messages_.all_finished()) return false;
    rank_ordered_sum<T>(contributions_, output_, count_);
    arriving_.reset();
    return true;
  }

  std::unique_ptr<BufferPool::Loan> arriving_;  // before messages_: it must outlive the requests that write to it
  PendingMessages messages_;
  std::vector<const T*> contributions_;
  T* output_;
  int64_t count_;
};

}  // namespace

template <typename T>
std::unique_ptr<Operation> Communicator::reduce_scatter(int64_t sequence, const T* input, T* output,
                                                        std::span<const int64_t> counts) {
  MOESAIC_CHECK(counts.size() == static_cast<size_t>(size()), "reduce_scatter needs a count for every member");
  const int64_t own_count = counts[rank_];
  const auto own_bytes = own_count * static_cast<int64_t>(sizeof(T));
  std::vector<int64_t> begin(size());
  std::exclusive_scan(counts.begin(), counts.end(), begin.begin(), int64_t{0});
  const int64_t message_tag = tag(sequence);

  std::unique_ptr<BufferPool::Loan> arriving;
  if (size() > 1 && own_count > 0) arriving = std::make_unique<BufferPool::Loan>(buffers_, (size() - 1) * own_bytes);
  PendingMessages messages(transport_);
  std::vector<const T*> contributions(size(), input + begin[rank_]);
  for (int step = 1; step < size() && own_count > 0; ++step) {
    const int source = (rank_ - step + size()) % size();
    T* slot = reinterpret_cast<T*>(arriving->data()) + (step - 1) * own_count;
    contributions[source] = slot;
    messages.receive(ranks_[source], message_tag, slot, own_bytes);
  }
  for (int step = 1; step < size(); ++step) {
    const int target = (rank_ + step) % size();
    const auto bytes = counts[target] * static_cast<int64_t>(sizeof(T));
    if (bytes > 0) messages.send(ranks_[target], message_tag, input + begin[target], bytes);
  }
  return std::make_unique<ReduceScatter<T>>(std::move(messages), std::move(arriving), std::move(contributions), output,
                                            own_count);
}

template std::unique_ptr<Operation> Communicator::reduce_scatter<float>(int64_t, const float*, float*,
                                                                        std::span<const int64_t>);
template std::unique_ptr<Operation> Communicator::reduce_scatter<BFloat16>(int64_t, const BFloat16*, BFloat16*,
                                                                           std::span<const int64_t>);
template std::unique_ptr<Operation> Communicator::reduce_scatter<double>(int64_t, const double*, double*,
                                                                         std::span<const int64_t>);

}  // namespace moesaic::executor
