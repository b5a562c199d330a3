#pragma once
// Our own keeper of time, exact in doubles: every core and every direction of a port is a queue that shares itself
// equally among what is in it. It has no state outside itself, so a process may keep as many as it likes.

#include <queue>
#include <vector>

#include "simulator/activity_engine.h"
#include "simulator/shared_queue.h"

namespace moesaic::simulator {

/// O(log n) per event: queues stand in a heap by the time of their next end. Ends at one time are told queue by queue
/// in the order in which queues were made, then delays.
class FluidEngine : public ActivityEngine {
 public:
  Core add_core(const std::string& name, double slowdown) override;
  Port add_port(const std::string& name, BytesPerSecond bandwidth) override;
  void seal() override {}
  void compute(Core core, Seconds seconds, Tag tag) override;
  void set_slowed(Core core, bool slowed) override;
  void transfer(Port port, Direction direction, double bytes, int copies, Tag tag) override;
  void delay(Seconds seconds, Tag tag) override;
  void run(const std::function<void(Tag)>& on_completion) override;
  Seconds now() const override { return now_; }

 private:
  struct CoreSpeed {
    int32_t queue = 0;
    double slowdown = 1;
  };
  struct Delay {
    Seconds end = 0;
    int64_t number = 0;  // delays that end together end in the order of their start
    Tag tag = 0;
    bool operator>(const Delay& other) const { return end != other.end ? end > other.end : number > other.number; }
  };
  int32_t add_queue(double rate);
  void add(int32_t queue, double amount, int copies, Tag tag);
  void end_next_of_queue(const std::function<void(Tag)>& on_completion);

  // The heap, of queues with something in them: a child never ends before its parent.
  bool before(int32_t a, int32_t b) const {
    return next_end_[static_cast<size_t>(a)] != next_end_[static_cast<size_t>(b)]
               ? next_end_[static_cast<size_t>(a)] < next_end_[static_cast<size_t>(b)]
               : a < b;
  }
  void reorder(int32_t queue);
  void sift_up(size_t at, int32_t queue);
  void sift_down(size_t at, int32_t queue);
  void place(size_t at, int32_t queue) {
    heap_[at] = queue;
    place_of_[static_cast<size_t>(queue)] = static_cast<int32_t>(at);
  }

  std::vector<SharedQueue> queues_;
  std::vector<Seconds> next_end_;  // [queues]: for those in the heap
  std::vector<int32_t> place_of_;  // [queues]: in the heap; -1: nothing in the queue
  std::vector<int32_t> heap_;
  std::vector<CoreSpeed> cores_;
  std::vector<int32_t> ports_;  // the queue out; the one in follows
  std::priority_queue<Delay, std::vector<Delay>, std::greater<>> delays_;
  std::vector<Tag> ended_;  // in one event
  Seconds now_ = 0;
  int64_t delays_made_ = 0;
};

}  // namespace moesaic::simulator
