#include "executor/profiling/message_bench.h"

#include <sched.h>

#include <algorithm>
#include <array>
#include <memory>

namespace moesaic::executor {
namespace {

constexpr Bytes kBytes = 64;  // the smallest of the collectives' sizes
using Letter = std::array<char, kBytes>;

}  // namespace

Measure open_messages(int messages, Bench& bench) {
  Communicator& all = bench.all();
  const int next = (all.rank() + 1) % all.size(), before = (all.rank() + all.size() - 1) % all.size();
  const auto sent = std::make_shared<Letter>();
  const auto received = std::make_shared<std::vector<Letter>>(static_cast<size_t>(messages));
  return [&all, &bench, next, before, sent, received] {
    std::vector<std::unique_ptr<Operation>> in_flight;
    bench.barrier();
    const CoreWatch core;
    const Seconds begin = steady_seconds();
    for (Letter& letter : *received) {
      const int64_t sequence = bench.next_sequence();
      in_flight.push_back(all.receive(sequence, before, letter.data(), kBytes));
      in_flight.push_back(all.send(sequence, next, sent->data(), kBytes));
    }
    for (const std::unique_ptr<Operation>& message : in_flight)
      while (!message->poll()) sched_yield();
    return bench.slowest_of_ranks(core.polled(steady_seconds() - begin));
  };
}

Seconds message_seconds(Seconds one, Seconds many) { return std::max(0.0, many - one) / (kManyMessages - 1); }

}  // namespace moesaic::executor
