#include "executor/comm/communicator.h"

#include <algorithm>
#include <functional>
#include <string>

#include "core/schema/error.h"
#include "executor/comm/tag.h"

namespace moesaic::executor {

Communicator::Communicator(Transport& transport, std::vector<int> ranks, int id)
    : transport_(transport), ranks_(std::move(ranks)), id_(id) {
  MOESAIC_CHECK(id >= 0 && id < kMaxCommunicators, "a communicator id has 16 bits");
  MOESAIC_CHECK(std::adjacent_find(ranks_.begin(), ranks_.end(), std::greater_equal<int>()) == ranks_.end(),
                "the ranks of a communicator ascend");
  const auto own = std::find(ranks_.begin(), ranks_.end(), transport.rank());
  MOESAIC_CHECK(own != ranks_.end(), "rank " + std::to_string(transport.rank()) + " is not in its communicator");
  MOESAIC_CHECK(ranks_.front() >= 0 && ranks_.back() < transport.size(), "a communicator names existing ranks");
  rank_ = static_cast<int>(own - ranks_.begin());
}

int64_t Communicator::tag(int64_t sequence) const {
  MOESAIC_CHECK(sequence >= 0 && sequence < kMaxSequences, "a sequence number has 47 bits");
  return make_tag(id_, sequence);
}

}  // namespace moesaic::executor
