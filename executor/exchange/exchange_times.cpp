#include "executor/exchange/exchange_times.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "core/graph/routing_binding.h"
#include "core/technique/lower.h"
#include "executor/exchange/exchange.h"

namespace moesaic::executor {
namespace {

using Clock = std::chrono::steady_clock;

/// Long enough for the messages that agree on a start to arrive everywhere.
constexpr std::chrono::milliseconds kSettle{10};

// More ranks than cores: a rank that waits must leave its core to those that have rows to copy.
void idle() { std::this_thread::sleep_for(std::chrono::microseconds(10)); }

/// One algorithm's graph and buffers. Families of both graphs have the same ids, and only one of them is in use at a
/// time.
class Contestant {
 public:
  Contestant(Plan plan, AllToAllKind kind, int rank, Backend& backend, Transport& transport)
      : plan_(with(std::move(plan), kind)),
        graph_(lower(plan_)),
        transport_(transport),
        exchange_(graph_, plan_, RoutingBinding(plan_).counts(0, 0, rank, 0, 1), rank, backend, transport) {
    std::fill_n(exchange_.sent().f32(), exchange_.sent().elements(), static_cast<float>(rank));
  }

  void measure(ExchangeSamples& samples) {
    const Clock::time_point start(Clock::duration(largest(Clock::now().time_since_epoch().count()))),
        begin = start + kSettle;
    std::this_thread::sleep_until(begin);
    const LinkTraffic before = transport_.traffic().inter_node;
    exchange_.dispatch(idle);
    const auto seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    samples.inter_node.messages = transport_.traffic().inter_node.messages - before.messages;
    samples.inter_node.bytes = transport_.traffic().inter_node.bytes - before.bytes;
    samples.seconds.push_back(largest(seconds));
  }

  LinkTraffic summed(LinkTraffic own) {
    LinkTraffic sum;
    for (const LinkTraffic& part : gathered(own)) sum.messages += part.messages, sum.bytes += part.bytes;
    return sum;
  }

 private:
  static Plan with(Plan plan, AllToAllKind kind) {
    plan.dispatch.all_to_all = kind;
    plan.dispatch.chunks = 1;
    check_plan(plan, plan.name);
    return plan;
  }

  template <typename T>
  std::vector<T> gathered(T own) {
    Communicator& control = exchange_.control();
    std::vector<T> all(static_cast<size_t>(control.size()));
    const auto operation = control.all_gather(sequence_++, &own, sizeof(T), all.data());
    while (!operation->poll()) idle();
    return all;
  }

  template <typename T>
  T largest(T own) {
    const std::vector<T> all = gathered(own);
    return *std::max_element(all.begin(), all.end());
  }

  const Plan plan_;
  const TaskGraph graph_;
  Transport& transport_;
  Exchange exchange_;
  int64_t sequence_ = 0;
};

}  // namespace

ExchangeTimes time_exchanges(const Plan& plan, int repetitions, int rank, Backend& backend, Transport& transport) {
  Contestant flat(plan, AllToAllKind::flat, rank, backend, transport);
  Contestant hierarchical(plan, AllToAllKind::hierarchical_2d, rank, backend, transport);
  ExchangeTimes times, warm_up;
  flat.measure(warm_up.flat);
  hierarchical.measure(warm_up.hierarchical);
  for (int i = 0; i < repetitions; ++i) {
    flat.measure(times.flat);
    hierarchical.measure(times.hierarchical);
  }
  times.flat.inter_node = flat.summed(times.flat.inter_node);
  times.hierarchical.inter_node = hierarchical.summed(times.hierarchical.inter_node);
  return times;
}

}  // namespace moesaic::executor
