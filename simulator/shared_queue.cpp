#include "simulator/shared_queue.h"

#include <algorithm>
#include <functional>

namespace moesaic::simulator {

void SharedQueue::advance(Seconds now) {
  if (now > updated_) virtual_ += (now - updated_) * rate_ / static_cast<double>(under_way_);
  updated_ = now;
}

void SharedQueue::add(double amount, int copies, Tag tag, Seconds now) {
  if (pieces_.empty()) {  // virtual time begins anew, so that it stays short and exact
    virtual_ = 0;
    numbered_ = 0;
    updated_ = now;
  } else {
    advance(now);
  }
  under_way_ += copies;
  pieces_.push_back({virtual_ + amount, numbered_++, copies, tag});
  std::push_heap(pieces_.begin(), pieces_.end(), std::greater<>());
}

void SharedQueue::set_rate(double rate, Seconds now) {
  if (!pieces_.empty()) advance(now);
  rate_ = rate;
}

Seconds SharedQueue::next_end() const {
  const double left = std::max(0.0, pieces_.front().end - virtual_);
  return updated_ + left * static_cast<double>(under_way_) / rate_;
}

void SharedQueue::end_next(std::vector<Tag>& ended) {
  updated_ = next_end();
  virtual_ = std::max(virtual_, pieces_.front().end);
  while (!pieces_.empty() && pieces_.front().end <= virtual_) {
    ended.push_back(pieces_.front().tag);
    under_way_ -= pieces_.front().copies;
    std::pop_heap(pieces_.begin(), pieces_.end(), std::greater<>());
    pieces_.pop_back();
  }
}

}  // namespace moesaic::simulator
