#include "executor/profiling/message_bench.h"

#include <sched.h>

#include <algorithm>
#include <array>
#include <memory>

namespace moesaic::executor {
namespace {

constexpr int kMany = 64;
constexpr Bytes kBytes = 64;  // the smallest of the collectives' sizes
constexpr int kRepetitions = 15;

Seconds seconds_of(int messages, Bench& bench) {
  Communicator& all = bench.all();
  const int next = (all.rank() + 1) % all.size(), before = (all.rank() + all.size() - 1) % all.size();
  std::array<char, kBytes> sent{};
  std::vector<std::array<char, kBytes>> received(static_cast<size_t>(messages));
  const auto once = [&] {
    std::vector<std::unique_ptr<Operation>> in_flight;
    bench.barrier();
    const Seconds begin = steady_seconds();
    for (std::array<char, kBytes>& buffer : received) {
      const int64_t sequence = bench.next_sequence();
      in_flight.push_back(all.receive(sequence, before, buffer.data(), kBytes));
      in_flight.push_back(all.send(sequence, next, sent.data(), kBytes));
    }
    for (const std::unique_ptr<Operation>& message : in_flight)
      while (!message->poll()) sched_yield();
    return bench.max_over_ranks(steady_seconds() - begin);
  };
  return bench.sorted_samples("messages/" + std::to_string(messages), kRepetitions, once).front();
}

}  // namespace

Seconds message_seconds(Bench& bench) {
  if (bench.all().size() < 2) return 0;
  const Seconds one = seconds_of(1, bench), many = seconds_of(kMany, bench);
  return std::max(0.0, many - one) / (kMany - 1);
}

}  // namespace moesaic::executor
