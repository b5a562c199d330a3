#include "executor/runtime/lanes/collective_calls.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <vector>

#include "core/operators/collectives.h"
#include "core/schema/error.h"

namespace moesaic::executor {
namespace {

using Started = std::unique_ptr<Operation>;

const Operand& sent(const Launch& launch) { return launch.reads[operands::Collective::sent]; }
const Operand& received(const Launch& launch) { return launch.writes[operands::Collective::received]; }

/// Between pipeline stages one side has nothing to read, the other nothing to write.
void* sent_data(const Launch& launch) { return launch.reads.empty() ? nullptr : sent(launch).data; }
void* received_data(const Launch& launch) { return launch.writes.empty() ? nullptr : received(launch).data; }

/// The losses are doubles.
SumType sum_type(const Launch& launch) {
  const Operand& sum = sent(launch);
  const TaskGraph& graph = *launch.context.graph;
  if (sum.tensor == graph.inputs.loss) return SumType::f64;
  return sum.dtype == DType::bf16 ? SumType::bf16 : SumType::f32;
}

Bytes bytes_between(const Launch& launch, int from, int to) {
  const Task& task = launch.task;
  const StepContext& context = launch.context;
  const int first = context.group_first_rank();
  const int64_t rows =
      is_routed(task.leg) ? launch.chunk_counts().leg_rows(task.leg, from - first, to - first, context.ranks_per_node())
                          : context.graph->rows_between(task.leg, from, to);
  return rows * task.bytes_per_row;
}

struct Exchange {  // [members] each, in bytes
  std::vector<int64_t> send, send_at, receive, receive_at;
};

/// `group`: a Communicator or a DeviceGroup.
template <typename Group>
Exchange exchange_of(const Launch& launch, const Group& group) {
  Exchange exchange;
  int64_t sent = 0, received = 0;
  for (int member = 0; member < group.size(); ++member) {
    const int peer = group.transport_rank(member);
    exchange.send_at.push_back(sent);
    exchange.receive_at.push_back(received);
    sent += exchange.send.emplace_back(bytes_between(launch, launch.context.rank, peer));
    received += exchange.receive.emplace_back(bytes_between(launch, peer, launch.context.rank));
  }
  return exchange;
}

Started host_all_to_all(const Launch& launch, Communicator& communicator, int64_t sequence) {
  const Exchange e = exchange_of(launch, communicator);
  return communicator.all_to_all_v(sequence, sent_data(launch), e.send, e.send_at, received_data(launch), e.receive,
                                   e.receive_at);
}

Started host_all_reduce(const Launch& launch, Communicator& communicator, int64_t sequence) {
  const Operand& sum = sent(launch);
  if (sum_type(launch) == SumType::f64) return communicator.all_reduce(sequence, sum.as<double>(), sum.elements() / 2);
  return communicator.all_reduce(sequence, sum.f32(), sum.elements());
}

Started host_all_gather(const Launch& launch, Communicator& communicator, int64_t sequence) {
  return communicator.all_gather(sequence, sent(launch).data, launch.task.bytes, received(launch).data);
}

Started host_reduce_scatter(const Launch& launch, Communicator& communicator, int64_t sequence) {
  const std::vector<int64_t> shares(static_cast<size_t>(communicator.size()), received(launch).elements());
  return communicator.reduce_scatter(sequence, sent(launch).f32(), received(launch).f32(), shares);
}

Started device_all_to_all(const Launch& launch, DeviceGroup& group) {
  const Exchange e = exchange_of(launch, group);
  return group.all_to_all_v(sent_data(launch), e.send, e.send_at, received_data(launch), e.receive, e.receive_at);
}

Started device_all_reduce(const Launch& launch, DeviceGroup& group) {
  const Operand& sum = sent(launch);
  const SumType type = sum_type(launch);
  return group.all_reduce(sum.data, sum.bytes() / bytes_of(type), type);
}

Started device_all_gather(const Launch& launch, DeviceGroup& group) {
  return group.all_gather(sent(launch).data, launch.task.bytes, received(launch).data);
}

Started device_reduce_scatter(const Launch& launch, DeviceGroup& group) {
  return group.reduce_scatter(sent(launch).data, received(launch).data, received(launch).elements(), sum_type(launch));
}

constexpr CollectiveCalls kCalls[] = {
    {Op::all_to_all, host_all_to_all, device_all_to_all},
    {Op::all_reduce, host_all_reduce, device_all_reduce},
    {Op::all_gather, host_all_gather, device_all_gather},
    {Op::reduce_scatter, host_reduce_scatter, device_reduce_scatter},
};

static_assert(std::equal(std::begin(kCalls), std::end(kCalls), std::begin(kCollectives), std::end(kCollectives),
                         [](const CollectiveCalls& calls, const OperatorFacts& facts) { return calls.op == facts.op; }),
              "each collective has its calls, in the order of core/operators");

}  // namespace

const CollectiveCalls& calls_of(Op op) {
  const auto* calls =
      std::find_if(std::begin(kCalls), std::end(kCalls), [op](const CollectiveCalls& entry) { return entry.op == op; });
  MOESAIC_CHECK(calls != std::end(kCalls), std::string("no communicator call for ") + name_of(op));
  return *calls;
}

}  // namespace moesaic::executor
