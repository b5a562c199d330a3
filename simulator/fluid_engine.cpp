#include "simulator/fluid_engine.h"

#include <algorithm>

namespace moesaic::simulator {

namespace {

constexpr size_t kChildren = 4;  // of a place in the heap: fewer levels than two

}  // namespace

int32_t FluidEngine::add_queue(double rate) {
  queues_.emplace_back(rate);
  next_end_.push_back(0);
  place_of_.push_back(-1);
  return static_cast<int32_t>(queues_.size()) - 1;
}

ActivityEngine::Core FluidEngine::add_core(const std::string& /*name*/, double slowdown) {
  cores_.push_back({add_queue(1), slowdown});
  return static_cast<Core>(cores_.size()) - 1;
}

ActivityEngine::Port FluidEngine::add_port(const std::string& /*name*/, BytesPerSecond bandwidth) {
  ports_.push_back(add_queue(bandwidth));
  add_queue(bandwidth);
  return static_cast<Port>(ports_.size()) - 1;
}

void FluidEngine::add(int32_t queue, double amount, int copies, Tag tag) {
  queues_[static_cast<size_t>(queue)].add(amount, copies, tag, now_);
  reorder(queue);
}

void FluidEngine::compute(Core core, Seconds seconds, Tag tag) {
  add(cores_[static_cast<size_t>(core)].queue, seconds, 1, tag);
}

void FluidEngine::set_slowed(Core core, bool slowed) {
  const CoreSpeed& speed = cores_[static_cast<size_t>(core)];
  SharedQueue& queue = queues_[static_cast<size_t>(speed.queue)];
  queue.set_rate(slowed ? 1 / speed.slowdown : 1, now_);
  if (!queue.empty()) reorder(speed.queue);
}

void FluidEngine::transfer(Port port, Direction direction, double bytes, int copies, Tag tag) {
  add(ports_[static_cast<size_t>(port)] + (direction == Direction::in ? 1 : 0), bytes, copies, tag);
}

void FluidEngine::delay(Seconds seconds, Tag tag) { delays_.push({now_ + seconds, delays_made_++, tag}); }

void FluidEngine::run(const std::function<void(Tag)>& on_completion) {
  while (!heap_.empty() || !delays_.empty()) {
    const bool of_queue =
        !heap_.empty() && (delays_.empty() || next_end_[static_cast<size_t>(heap_.front())] <= delays_.top().end);
    if (of_queue) {
      end_next_of_queue(on_completion);
    } else {
      const Delay over = delays_.top();
      delays_.pop();
      now_ = over.end;
      on_completion(over.tag);
    }
  }
}

void FluidEngine::end_next_of_queue(const std::function<void(Tag)>& on_completion) {
  const int32_t queue = heap_.front();
  now_ = next_end_[static_cast<size_t>(queue)];
  ended_.clear();
  queues_[static_cast<size_t>(queue)].end_next(ended_);
  reorder(queue);
  for (const Tag tag : ended_) on_completion(tag);
}

/// Of a queue whose next end has changed, or that is empty now.
void FluidEngine::reorder(int32_t queue) {
  int32_t& at = place_of_[static_cast<size_t>(queue)];
  const SharedQueue& shared = queues_[static_cast<size_t>(queue)];
  if (shared.empty()) {
    const int32_t last = heap_.back();
    heap_.pop_back();
    const auto hole = static_cast<size_t>(at);
    at = -1;
    if (last == queue) return;
    place(hole, last);
    sift_up(hole, last);
    sift_down(static_cast<size_t>(place_of_[static_cast<size_t>(last)]), last);
    return;
  }
  next_end_[static_cast<size_t>(queue)] = shared.next_end();
  if (at < 0) {
    heap_.push_back(queue);
    at = static_cast<int32_t>(heap_.size()) - 1;
  }
  sift_up(static_cast<size_t>(at), queue);
  sift_down(static_cast<size_t>(at), queue);
}

void FluidEngine::sift_up(size_t at, int32_t queue) {
  while (at > 0) {
    const size_t parent = (at - 1) / kChildren;
    if (!before(queue, heap_[parent])) break;
    place(at, heap_[parent]);
    at = parent;
  }
  place(at, queue);
}

void FluidEngine::sift_down(size_t at, int32_t queue) {
  for (;;) {
    const size_t first = at * kChildren + 1, behind = std::min(first + kChildren, heap_.size());
    if (first >= heap_.size()) break;
    size_t least = first;
    for (size_t child = first + 1; child < behind; ++child)
      if (before(heap_[child], heap_[least])) least = child;
    if (!before(heap_[least], queue)) break;
    place(at, heap_[least]);
    at = least;
  }
  place(at, queue);
}

}  // namespace moesaic::simulator
