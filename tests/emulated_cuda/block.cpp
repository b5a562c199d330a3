#include "tests/emulated_cuda/block.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <string_view>
#include <vector>

#include "tests/emulated_cuda/fibers.h"
#include "tests/emulated_cuda/random.h"

namespace emulated_cuda {

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace {

constexpr unsigned kWarp = 32;
constexpr uint64_t kNothing = ~uint64_t{0};

struct Thread {
  uint3 index{};
  Fiber* fiber = nullptr;
  const char* waits_at = nullptr;
};

// Two arrays: a lane may already send for the next exchange while another has not read this one.
struct Warp {
  unsigned living = 0, arrived = 0, mask = 0;  // bits of lanes
  const char* operation = nullptr;
  unsigned exchanges = 0;
  uint64_t sent[2][kWarp];
};

struct Block {
  const std::function<void()>* body = nullptr;
  std::vector<Thread> threads;
  std::vector<Warp> warps;
  unsigned started = 0, ended = 0;
  std::vector<unsigned> at_barrier;
  int yes = 0, yes_of_last_barrier = 0;
  std::deque<unsigned> ready;  // waited, and may go on
  unsigned first = 0;          // the thread that starts first; the others follow upwards or downwards
  bool downwards = false;
  Random random{0};
  std::string failure;
};

Block block;
unsigned current = 0;  // index of the running thread
std::vector<std::unique_ptr<Fiber>> fibers;
std::vector<Fiber*> idle;

void set_current(unsigned i) {
  current = i;
  threadIdx = block.threads[i].index;
}

void suspend(const char* where) {
  block.threads[current].waits_at = where;
  Fiber::suspend();
}

void release(unsigned i) {
  block.threads[i].waits_at = nullptr;
  block.ready.push_back(i);
}

void pass_barrier() {
  if (block.random.coin()) std::reverse(block.at_barrier.begin(), block.at_barrier.end());
  for (const unsigned waiting : block.at_barrier)
    if (waiting != current) release(waiting);
  block.at_barrier.clear();
  block.yes_of_last_barrier = block.yes;
  block.yes = 0;
}

bool barrier_complete() {
  return !block.at_barrier.empty() && block.at_barrier.size() + block.ended == block.threads.size();
}

bool exchange_complete(const Warp& warp) { return warp.arrived != 0 && warp.arrived == (warp.mask & warp.living); }

void pass_exchange(Warp& warp, unsigned first_thread) {
  const bool downward = block.random.coin();
  for (unsigned i = 0; i < kWarp; ++i) {
    const unsigned at = downward ? kWarp - 1 - i : i;
    if ((warp.arrived >> at & 1u) != 0 && first_thread + at != current) release(first_thread + at);
  }
  warp.arrived = 0;
  std::fill_n(warp.sent[++warp.exchanges % 2], kWarp, kNothing);
}

void end_current() {
  ++block.ended;
  Warp& warp = block.warps[current / kWarp];
  warp.living &= ~(1u << current % kWarp);
  block.threads[current].fiber = nullptr;
  if (exchange_complete(warp)) pass_exchange(warp, current / kWarp * kWarp);
  if (barrier_complete()) pass_barrier();
}

void begin_next_thread(Fiber* fiber) {
  const auto n = static_cast<unsigned>(block.threads.size()), step = block.started++;
  set_current((block.first + (block.downwards ? n - step : step)) % n);
  block.threads[current].fiber = fiber;
}

/// What a fiber does: threads that have not begun, one after the other.
void run_threads() {
  Fiber* self = block.threads[current].fiber;
  while (true) {
    (*block.body)();
    end_current();
    if (block.started == block.threads.size()) break;
    begin_next_thread(self);
  }
  idle.push_back(self);
}

void start_fiber() {
  if (idle.empty()) idle.push_back(fibers.emplace_back(std::make_unique<Fiber>()).get());
  Fiber* fiber = idle.back();
  idle.pop_back();
  begin_next_thread(fiber);
  fiber->start(run_threads);
}

std::string triple(uint3 i) {
  return "(" + std::to_string(i.x) + ", " + std::to_string(i.y) + ", " + std::to_string(i.z) + ")";
}

std::string deadlock() {
  const auto waits = [](const Thread& thread) { return thread.waits_at != nullptr; };
  const auto at = std::find_if(block.threads.begin(), block.threads.end(), waits);
  const auto count = std::count_if(block.threads.begin(), block.threads.end(), waits);
  return std::to_string(count) + " of " + std::to_string(block.threads.size()) + " threads wait for ever, thread " +
         triple(at->index) + " at " + at->waits_at;
}

void begin_block(uint64_t seed) {
  const auto n = static_cast<unsigned>(block.threads.size());
  for (Thread& thread : block.threads) thread.waits_at = nullptr;
  for (unsigned w = 0; w < block.warps.size(); ++w) {
    Warp& warp = block.warps[w];
    const unsigned lanes = std::min(kWarp, n - w * kWarp);
    warp.living = lanes == kWarp ? ~0u : (1u << lanes) - 1;
    warp.arrived = 0;
    std::fill_n(warp.sent[warp.exchanges % 2], kWarp, kNothing);
  }
  block.started = block.ended = 0;
  block.yes = 0;
  block.random = Random(seed);
  block.first = seed == 0 ? 0 : block.random.below(n);
  block.downwards = seed != 0 && block.random.coin();
}

void run_block(uint64_t seed) {
  begin_block(seed);
  while (block.ended < block.threads.size() && block.failure.empty()) {
    if (!block.ready.empty()) {
      set_current(block.ready.front());
      block.ready.pop_front();
      block.threads[current].fiber->resume();
    } else if (block.started < block.threads.size()) {
      start_fiber();
    } else {
      block.failure = deadlock();
    }
  }
}

/// Threads that will never go on leave their fibers behind.
void abandon_block() {
  block.ready.clear();
  block.at_barrier.clear();
  idle.clear();
  for (const auto& fiber : fibers) idle.push_back(fiber.get());
}

}  // namespace

std::string run_grid(dim3 blocks, dim3 threads, uint64_t seed, const std::function<void()>& thread) {
  gridDim = blocks;
  blockDim = threads;
  const uint64_t grid = uint64_t{blocks.x} * blocks.y * blocks.z;
  const size_t n = size_t{threads.x} * threads.y * threads.z;
  block.body = &thread;
  block.threads.clear();
  for (unsigned z = 0; z < threads.z; ++z)
    for (unsigned y = 0; y < threads.y; ++y)
      for (unsigned x = 0; x < threads.x; ++x) block.threads.push_back({{x, y, z}});
  block.warps.resize((n + kWarp - 1) / kWarp);
  block.failure.clear();
  Random random(seed);
  const bool downwards = seed != 0 && random.coin();
  for (uint64_t step = 0; step < grid; ++step) {
    const uint64_t i = downwards ? grid - 1 - step : step;
    blockIdx = {static_cast<unsigned>(i % blocks.x), static_cast<unsigned>(i / blocks.x % blocks.y),
                static_cast<unsigned>(i / blocks.x / blocks.y)};
    run_block(seed == 0 ? 0 : random.next());
    if (!block.failure.empty()) {
      abandon_block();
      return "block " + triple(blockIdx) + ": " + block.failure;
    }
  }
  return "";
}

int count_in_block(bool yes) {
  block.yes += yes ? 1 : 0;
  block.at_barrier.push_back(current);
  if (barrier_complete())
    pass_barrier();
  else
    suspend("__syncthreads");
  return block.yes_of_last_barrier;
}

void wait_for_block() { (void)count_in_block(false); }

const uint64_t* exchange(const char* operation, unsigned mask, uint64_t sent) {
  Warp& warp = block.warps[current / kWarp];
  const unsigned own = current % kWarp;
  if ((mask >> own & 1u) == 0) fail(std::string(operation) + ": the mask lacks the calling lane");
  if (warp.arrived != 0 && (warp.mask != mask || std::string_view(warp.operation) != operation))
    fail(std::string(operation) + ": another lane of the warp waits at " + warp.operation + " or with another mask");
  warp.mask = mask;
  warp.operation = operation;
  warp.arrived |= 1u << own;
  const uint64_t* values = warp.sent[warp.exchanges % 2];
  warp.sent[warp.exchanges % 2][own] = sent;
  if (exchange_complete(warp))
    pass_exchange(warp, current - own);
  else
    suspend(operation);
  return values;
}

int lane() { return static_cast<int>(current % kWarp); }

void fail(const std::string& message) {
  block.failure = "thread " + triple(threadIdx) + ": " + message;
  while (true) Fiber::suspend();
}

}  // namespace emulated_cuda
