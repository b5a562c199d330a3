// All-reduce = reduce-scatter of even slices, then all-gather of the sums. Both stages carry the same tag: between two
// members the first stage's message is posted first on either side, and messages of one tag match in posting order.

#include <numeric>

#include "core/schema/bfloat16.h"
#include "executor/comm/communicator.h"
#include "executor/comm/slices.h"

namespace moesaic::executor {
namespace {

template <typename T>
class AllReduce final : public Operation {
 public:
  AllReduce(Communicator& communicator, int64_t sequence, T* data, int64_t count)
      : communicator_(communicator),
        sequence_(sequence),
        data_(data),
        slices_(even_slices(count, communicator.size())) {
    stage_ = communicator.reduce_scatter<T>(sequence, data, data + begin(communicator.rank()), slices_);
  }
  std::vector<int> waiting_for() const override { return stage_->waiting_for(); }

 private:
  int64_t begin(int member) const { return std::accumulate(slices_.begin(), slices_.begin() + member, int64_t{0}); }

  bool advance() override {
    if (!stage_->poll()) return false;
    if (gathering_) return true;
    std::vector<int64_t> bytes(slices_.size());
    std::vector<int64_t> offset(slices_.size());
    for (int member = 0; member < communicator_.size(); ++member) {
      bytes[member] = slices_[member] * static_cast<int64_t>(sizeof(T));
      offset[member] = begin(member) * static_cast<int64_t>(sizeof(T));
    }
    stage_ = communicator_.all_gather_v(sequence_, data_ + begin(communicator_.rank()), data_, bytes, offset);
    gathering_ = true;
    return stage_->poll();
  }

  Communicator& communicator_;
  int64_t sequence_;
  T* data_;
  std::vector<int64_t> slices_;  // [size] elements
  std::unique_ptr<Operation> stage_;
  bool gathering_ = false;
};

}  // namespace

template <typename T>
std::unique_ptr<Operation> Communicator::all_reduce(int64_t sequence, T* data, int64_t count) {
  return std::make_unique<AllReduce<T>>(*this, sequence, data, count);
}

template std::unique_ptr<Operation> Communicator::all_reduce<float>(int64_t, float*, int64_t);
template std::unique_ptr<Operation> Communicator::all_reduce<BFloat16>(int64_t, BFloat16*, int64_t);
template std::unique_ptr<Operation> Communicator::all_reduce<double>(int64_t, double*, int64_t);

}  // namespace moesaic::executor
