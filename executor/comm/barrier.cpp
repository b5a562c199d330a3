// Dissemination barrier: in round k every member tells member + 2^k and hears from member - 2^k; after ceil(log2(size))
// rounds each has heard, directly or not, from all. The distances differ, so no two rounds share a pair and direction.

#include "executor/comm/communicator.h"

namespace moesaic::executor {
namespace {

class Barrier final : public Operation {
 public:
  Barrier(Communicator& communicator, int64_t tag)
      : communicator_(communicator), tag_(tag), messages_(communicator.transport()) {
    start_round();
  }
  std::vector<int> waiting_for() const override { return messages_.peers(); }

 private:
  void start_round() {
    const int size = communicator_.size();
    if (distance_ >= size) return;
    const int source = (communicator_.rank() - distance_ + size) % size;
    const int target = (communicator_.rank() + distance_) % size;
    messages_.receive(communicator_.transport_rank(source), tag_, nullptr, 0);
    messages_.send(communicator_.transport_rank(target), tag_, nullptr, 0);
  }

  bool advance() override {
    while (messages_.all_finished()) {
      if (distance_ >= communicator_.size()) return true;
      distance_ *= 2;
      start_round();
    }
    return false;
  }

  Communicator& communicator_;
  int64_t tag_;
  int distance_ = 1;
  PendingMessages messages_;
};

}  // namespace

std::unique_ptr<Operation> Communicator::barrier(int64_t sequence) {
  return std::make_unique<Barrier>(*this, tag(sequence));
}

}  // namespace moesaic::executor
