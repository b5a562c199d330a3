#include "executor/profiling/collective_bench.h"

#include <sched.h>

#include <algorithm>

#include "core/schema/error.h"

namespace moesaic::executor {
namespace {

constexpr Bytes kSmallest = 64, kLargest = Bytes{16} << 20, kStep = 4;
constexpr Bytes kElement = sizeof(float);

std::unique_ptr<Operation> start(Op op, Bytes bytes, std::vector<float>& send, std::vector<float>& receive,
                                 Bench& bench) {
  Communicator& all = bench.all();
  const int64_t sequence = bench.next_sequence();
  if (op == Op::all_reduce) return all.all_reduce(sequence, send.data(), bytes / kElement);
  if (op == Op::all_gather) return all.all_gather(sequence, send.data(), bytes, receive.data());
  if (op == Op::reduce_scatter) {
    const std::vector<int64_t> counts(static_cast<size_t>(all.size()), bytes / kElement);
    return all.reduce_scatter(sequence, send.data(), receive.data(), counts);
  }
  MOESAIC_CHECK(op == Op::all_to_all, std::string("no measurement for ") + name_of(op));
  const std::vector<int64_t> sizes(static_cast<size_t>(all.size()), bytes);
  std::vector<int64_t> offsets;
  for (int member = 0; member < all.size(); ++member) offsets.push_back(member * bytes);
  return all.all_to_all_v(sequence, send.data(), sizes, offsets, receive.data(), sizes, offsets);
}

}  // namespace

std::vector<Bytes> collective_sizes() {
  std::vector<Bytes> sizes;
  for (Bytes bytes = kSmallest; bytes <= kLargest; bytes *= kStep) sizes.push_back(bytes);
  return sizes;
}

Bytes contribution(Op op, Bytes busiest, int num_ranks) {
  const Bytes bytes = op == Op::all_reduce ? busiest * num_ranks / (2 * (num_ranks - 1)) : busiest / (num_ranks - 1);
  return std::max(bytes / kElement, Bytes{1}) * kElement;
}

Bytes busiest_bytes(Op op, Bytes contribution, int num_ranks) {
  return op == Op::all_reduce ? 2 * contribution * (num_ranks - 1) / num_ranks : contribution * (num_ranks - 1);
}

Measure open_collective(Op op, Bytes bytes, Bench& bench) {
  const auto elements = static_cast<size_t>(bytes / kElement) * static_cast<size_t>(bench.all().size());
  const auto send = std::make_shared<std::vector<float>>(elements, 0.5f);
  const auto receive = std::make_shared<std::vector<float>>(elements, 0.25f);
  return [op, bytes, &bench, send, receive] {
    if (op == Op::all_reduce) std::fill(send->begin(), send->end(), 0.5f);  // sums would grow without bound
    bench.barrier();
    const CoreWatch core;
    const Seconds begin = steady_seconds();
    const std::unique_ptr<Operation> operation = start(op, bytes, *send, *receive, bench);
    while (!operation->poll()) sched_yield();
    return bench.slowest_of_ranks(core.polled(steady_seconds() - begin));
  };
}

}  // namespace moesaic::executor
