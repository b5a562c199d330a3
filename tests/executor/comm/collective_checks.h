#pragma once
// Checks of every collective on any transport, whose expected values are formulas of (sender, receiver, index).
// They know no test framework, so that threads under GoogleTest and processes under mpirun run the same ones.

#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "executor/comm/communicator.h"

namespace moesaic::executor {

struct CheckResult {
  std::string name;
  std::string error;  // empty: passed
};

/// What member `rank` contributes at `index`: mixed signs and magnitudes, so that the order of additions shows in the
/// bits.
template <typename T>
T contribution(int rank, int64_t index) {
  const T scale = rank % 2 == 0 ? T(1000.1) : T(-0.37);
  return scale * T(rank + 1) + T(index % 1013) * T(0.0123);
}

/// The plain loop over ranks 0..num_ranks-1 that every reduction must equal bit by bit.
template <typename T>
T rank_ordered_reference(int num_ranks, int64_t index) {
  T sum = contribution<T>(0, index);
  for (int rank = 1; rank < num_ranks; ++rank) sum += contribution<T>(rank, index);
  return sum;
}

inline constexpr uint32_t kUntouched = 0xDEADBEEF;

inline uint32_t element(int from, int to, int64_t index) {
  return static_cast<uint32_t>(from * 1000003 + to * 10007 + index * 31 + 1);
}

inline std::string differs(const std::string& where, int64_t index, double got, double expected) {
  return where + "[" + std::to_string(index) + "] is " + std::to_string(got) + ", expected " + std::to_string(expected);
}

/// An operation in flight together with its buffers and the comparison to make once it is complete.
struct Started {
  std::unique_ptr<Operation> operation;
  std::function<std::string()> verify;
  std::shared_ptr<const void> input = nullptr;
};

using Elements = std::function<int64_t(int from, int to)>;

/// One uint32 of padding follows every part, and must stay as it was.
inline Started start_all_to_all(Communicator& group, int64_t sequence, const Elements& elements) {
  const int size = group.size();
  const int me = group.rank();
  std::vector<int64_t> send_bytes(size), send_offset(size), recv_bytes(size), recv_offset(size);
  auto sent = std::make_shared<std::vector<uint32_t>>();
  int64_t received = 0;
  for (int peer = 0; peer < size; ++peer) {
    send_bytes[peer] = 4 * elements(me, peer);
    send_offset[peer] = 4 * static_cast<int64_t>(sent->size());
    for (int64_t i = 0; i < elements(me, peer); ++i) sent->push_back(element(me, peer, i));
    recv_bytes[peer] = 4 * elements(peer, me);
    recv_offset[peer] = 4 * received;
    received += elements(peer, me) + 1;
  }
  auto result = std::make_shared<std::vector<uint32_t>>(received, kUntouched);
  auto operation =
      group.all_to_all_v(sequence, sent->data(), send_bytes, send_offset, result->data(), recv_bytes, recv_offset);
  const auto verify = [=]() -> std::string {
    int64_t at = 0;
    for (int peer = 0; peer < size; ++peer) {
      for (int64_t i = 0; i <= elements(peer, me); ++i, ++at) {
        const uint32_t expected = i < elements(peer, me) ? element(peer, me, i) : kUntouched;
        if ((*result)[at] != expected) return differs("from " + std::to_string(peer), i, (*result)[at], expected);
      }
    }
    return "";
  };
  return {std::move(operation), verify, sent};
}

inline Started start_all_gather(Communicator& group, int64_t sequence, int64_t count) {
  const int size = group.size();
  auto part = std::make_shared<std::vector<uint32_t>>(count);
  for (int64_t i = 0; i < count; ++i) (*part)[i] = element(group.rank(), 0, i);
  auto result = std::make_shared<std::vector<uint32_t>>(size * count, kUntouched);
  auto operation = group.all_gather(sequence, part->data(), 4 * count, result->data());
  const auto verify = [=]() -> std::string {
    for (int64_t i = 0; i < size * count; ++i) {
      const uint32_t expected = element(static_cast<int>(i / count), 0, i % count);
      if ((*result)[i] != expected) return differs("gathered", i, (*result)[i], expected);
    }
    return "";
  };
  return {std::move(operation), verify, part};
}

/// Member m contributes 7 * (m % 3) elements, in place, and the parts stand in reverse order.
inline Started start_all_gather_v(Communicator& group, int64_t sequence) {
  const int size = group.size();
  std::vector<int64_t> counts(size), bytes(size), offset(size), begin(size);
  int64_t total = 0;
  for (int member = size - 1; member >= 0; --member) {
    counts[member] = 7 * (member % 3);
    bytes[member] = 4 * counts[member];
    begin[member] = total;
    offset[member] = 4 * total;
    total += counts[member];
  }
  auto result = std::make_shared<std::vector<uint32_t>>(total + 1, kUntouched);
  uint32_t* own = result->data() + begin[group.rank()];
  for (int64_t i = 0; i < counts[group.rank()]; ++i) own[i] = element(group.rank(), 0, i);
  auto operation = group.all_gather_v(sequence, own, result->data(), bytes, offset);
  const auto verify = [=]() -> std::string {
    for (int member = 0; member < size; ++member) {
      for (int64_t i = 0; i < counts[member]; ++i) {
        const uint32_t got = (*result)[begin[member] + i];
        if (got != element(member, 0, i))
          return differs("part " + std::to_string(member), i, got, element(member, 0, i));
      }
    }
    return result->back() == kUntouched ? "" : "wrote past the last part";
  };
  return {std::move(operation), verify};
}

/// Bits, not values: equal bits are what reductions promise.
template <typename T>
std::string compare_sums(const std::vector<T>& got, int64_t first_index, int num_ranks) {
  for (size_t i = 0; i < got.size(); ++i) {
    const T expected = rank_ordered_reference<T>(num_ranks, first_index + static_cast<int64_t>(i));
    if (std::memcmp(&got[i], &expected, sizeof(T)) != 0)
      return differs("sum", static_cast<int64_t>(i), got[i], expected);
  }
  return "";
}

template <typename T>
std::vector<T> contributions(int rank, int64_t count) {
  std::vector<T> values(count);
  for (int64_t i = 0; i < count; ++i) values[i] = contribution<T>(rank, i);
  return values;
}

/// Member m owns 5 + 3 * m elements; the last of several members owns none.
template <typename T>
Started start_reduce_scatter(Communicator& group, int64_t sequence) {
  const int size = group.size();
  const int me = group.rank();
  std::vector<int64_t> counts(size);
  int64_t total = 0, own_begin = 0;
  for (int member = 0; member < size; ++member) {
    counts[member] = member > 0 && member == size - 1 ? 0 : 5 + 3 * member;
    if (member == group.rank()) own_begin = total;
    total += counts[member];
  }
  auto input = std::make_shared<std::vector<T>>(contributions<T>(group.rank(), total));
  auto output = std::make_shared<std::vector<T>>(counts[group.rank()]);
  auto operation = group.reduce_scatter<T>(sequence, input->data(), output->data(), counts);
  const auto verify = [=]() -> std::string {
    if (*input != contributions<T>(me, total)) return "the input changed";
    return compare_sums(*output, own_begin, size);
  };
  return {std::move(operation), verify};
}

template <typename T>
Started start_all_reduce(Communicator& group, int64_t sequence, int64_t count) {
  auto data = std::make_shared<std::vector<T>>(contributions<T>(group.rank(), count));
  auto operation = group.all_reduce<T>(sequence, data->data(), count);
  const int size = group.size();
  return {std::move(operation), [=] { return compare_sums(*data, 0, size); }};
}

inline std::string finish(const Started& started) {
  started.operation->wait();
  return started.verify();
}

/// Everyone sends to the next and receives from the previous member; two messages of one number keep their order.
inline std::string check_ring(Communicator& group, int64_t sequence) {
  if (group.size() == 1) return "";
  const int next = (group.rank() + 1) % group.size();
  const int previous = (group.rank() + group.size() - 1) % group.size();
  uint32_t sent[2] = {element(group.rank(), next, 0), element(group.rank(), next, 1)};
  uint32_t received[2] = {kUntouched, kUntouched};
  auto first_send = group.send(sequence, next, &sent[0], 4);
  auto second_send = group.send(sequence, next, &sent[1], 4);
  auto first = group.receive(sequence, previous, &received[0], 4);
  auto second = group.receive(sequence, previous, &received[1], 4);
  for (bool complete = false; !complete;) {
    complete = true;
    for (auto* operation : {&second, &first, &second_send, &first_send}) complete &= (*operation)->poll();
    std::this_thread::yield();
  }
  for (int i = 0; i < 2; ++i) {
    const uint32_t expected = element(previous, group.rank(), i);
    if (received[i] != expected) return differs("ring", i, received[i], expected);
  }
  return "";
}

/// Member 0 starts the barrier only after the observer has told it to, which waits until all others have started: until
/// then the observer's barrier may not complete. The observer is far from member 0, and its own first message goes
/// elsewhere.
inline std::string check_barrier(Communicator& group, int64_t sequence) {
  const int observer = group.size() / 2;
  char go = 0;
  std::string error;
  if (group.rank() == 0 && observer > 0) group.receive(sequence + 1, observer, &go, 1)->wait();
  auto barrier = group.barrier(sequence);
  const auto complete = [&](std::unique_ptr<Operation> message) {
    while (!message->poll()) {
      barrier->poll();
      std::this_thread::yield();
    }
  };
  if (group.rank() != 0 && group.rank() != observer) complete(group.send(sequence + 1, observer, &go, 1));
  if (group.rank() == observer && observer > 0) {
    for (int member = 1; member < group.size(); ++member) {
      if (member != observer) complete(group.receive(sequence + 1, member, &go, 1));
    }
    for (int attempt = 0; attempt < 200; ++attempt) {
      if (barrier->poll()) error = "complete before member 0 started it";
      std::this_thread::yield();
    }
    complete(group.send(sequence + 1, 0, &go, 1));
  }
  barrier->wait();
  return error;
}

/// All are in flight before the first is polled, and they are polled in the reverse order on odd members.
inline std::string check_in_flight(Communicator& group, int64_t sequence) {
  std::vector<Started> started;
  started.push_back(start_all_to_all(group, sequence, [](int i, int j) { return 50 + i + j; }));
  started.push_back(start_all_reduce<float>(group, sequence + 1, 1000));
  started.push_back(start_all_to_all(group, sequence + 2, [](int i, int j) { return 50 + i + j; }));
  started.push_back(start_all_gather(group, sequence + 3, 33));
  started.push_back(start_all_reduce<double>(group, sequence + 4, 1));
  started.push_back(start_reduce_scatter<float>(group, sequence + 5));
  for (size_t complete = 0; complete < started.size();) {
    complete = 0;
    for (size_t i = 0; i < started.size(); ++i) {
      const size_t position = group.rank() % 2 == 0 ? i : started.size() - 1 - i;
      complete += started[position].operation->poll() ? 1 : 0;
    }
    std::this_thread::yield();
  }
  for (size_t i = 0; i < started.size(); ++i) {
    const std::string error = started[i].verify();
    if (!error.empty()) return "operation " + std::to_string(i) + ": " + error;
  }
  return "";
}

inline void check_group(Communicator& group, const std::string& name, std::vector<CheckResult>& results) {
  int64_t sequence = 0;
  const auto record = [&](const std::string& what, const std::string& error) {
    results.push_back({name + " / " + what, error});
    sequence += 100;
  };
  const auto exchange = [&](const Elements& elements) { return finish(start_all_to_all(group, sequence, elements)); };
  record("all_to_all_v even", exchange([](int, int) { return 17; }));
  record("all_to_all_v uneven", exchange([](int i, int j) { return (3 * i + 5 * j) % 7 * 13; }));
  record("all_to_all_v empty", exchange([](int, int) { return 0; }));
  record("all_to_all_v all to one", exchange([](int i, int j) { return j == 0 ? 1000 + i : 0; }));
  record("all_to_all_v large", exchange([](int i, int j) { return 100000 + i - j; }));
  record("all_gather", finish(start_all_gather(group, sequence, 19)));
  record("all_gather empty", finish(start_all_gather(group, sequence, 0)));
  record("all_gather_v", finish(start_all_gather_v(group, sequence)));
  record("reduce_scatter f32", finish(start_reduce_scatter<float>(group, sequence)));
  record("reduce_scatter f64", finish(start_reduce_scatter<double>(group, sequence)));
  for (const int64_t count : {0, 1, 15, 16, 17, 1000, 100003}) {
    record("all_reduce f32 " + std::to_string(count), finish(start_all_reduce<float>(group, sequence, count)));
  }
  record("all_reduce f64 1", finish(start_all_reduce<double>(group, sequence, 1)));
  record("send and receive", check_ring(group, sequence));
  record("barrier", check_barrier(group, sequence));
  record("operations in flight", check_in_flight(group, sequence));
}

/// Collective over the transport: every rank calls it and gets the results as seen by that rank.
inline std::vector<CheckResult> run_collective_checks(Transport& transport) {
  std::vector<int> all, same_parity, same_node;
  for (int rank = 0; rank < transport.size(); ++rank) {
    all.push_back(rank);
    if (rank % 2 == transport.rank() % 2) same_parity.push_back(rank);
    if (transport.node(rank) == transport.node(transport.rank())) same_node.push_back(rank);
  }
  std::vector<CheckResult> results;
  // The groups overlap and use the same sequence numbers: only their ids keep their messages apart.
  Communicator everyone(transport, all, 0);
  Communicator parity(transport, same_parity, 1 + transport.rank() % 2);
  Communicator node(transport, same_node, 65535 - transport.node(transport.rank()));
  check_group(everyone, "all ranks", results);
  check_group(parity, "same parity", results);
  check_group(node, "same node", results);
  return results;
}

}  // namespace moesaic::executor
