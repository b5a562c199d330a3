#pragma once
// A device whose copies run later: one of them at each question for an event that is behind it. So memory that is
// read or reused before its event has passed shows in the results. It has one lane and runs no operators.

#include <gtest/gtest.h>

#include <cstring>
#include <deque>
#include <vector>

#include "executor/backend/inline_backend.h"

namespace moesaic::executor {

class LateDevice : public InlineBackend {
 public:
  std::string name() const override { return "late"; }
  bool runs_inline() const override { return false; }
  void* allocate(Bytes bytes, Lane) override { return allocate_host(bytes); }
  void release(void* data, LaneSet) override { release_host(data); }
  void launch(const Launch&) override { FAIL() << "a collective launches no operator"; }
  NonFinite find_non_finite(std::span<const Operand>, ExactSquares*) override { return {}; }

  void copy(Lane lane, void* to, const void* from, Bytes bytes) override {
    EXPECT_EQ(lane, Lane::network);
    waiting_.push_back({to, from, static_cast<size_t>(bytes)});
  }
  Event record(Lane) override {
    events_.push_back(copies());
    return static_cast<Event>(events_.size()) - 1;
  }
  bool done(Event event) override {
    if (stuck) return false;
    const int64_t behind = events_[static_cast<size_t>(event)];  // this many copies
    if (run_ >= behind) return true;
    const Copy& copy = waiting_.front();
    std::memcpy(copy.to, copy.from, copy.bytes);
    waiting_.pop_front();
    ++run_;
    return false;
  }

  int64_t copies() const { return run_ + static_cast<int64_t>(waiting_.size()); }
  bool stuck = false;  // no event is ever passed

 private:
  struct Copy {
    void* to;
    const void* from;
    size_t bytes;
  };

  std::deque<Copy> waiting_;
  std::vector<int64_t> events_;  // [events]: copies before each
  int64_t run_ = 0;
};

}  // namespace moesaic::executor
