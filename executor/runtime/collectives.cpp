#include "executor/runtime/collectives.h"

#include "core/schema/error.h"

namespace moesaic::executor {
namespace {

/// Between pipeline stages one side has nothing to read, the other nothing to write.
void* data_of(std::span<const Operand> operands) { return operands.empty() ? nullptr : operands[0].data; }

}  // namespace

Collectives::Collectives(const TaskGraph& graph, Transport& transport, int rank)
    : graph_(graph), per_step_(graph.communicators.size(), 0) {
  for (size_t i = 0; i < graph.communicators.size(); ++i)
    communicators_.push_back(
        std::make_unique<Communicator>(transport, graph.group(static_cast<int>(i), rank), static_cast<int>(i)));
  std::vector<int> all;
  for (int r = 0; r < graph.num_ranks; ++r) all.push_back(r);
  control_ = std::make_unique<Communicator>(transport, all, static_cast<int>(graph.communicators.size()));
  for (const Task& task : graph.tasks)
    if (task.communicator >= 0) ++per_step_[static_cast<size_t>(task.communicator)];
}

std::unique_ptr<Operation> Collectives::start(const Launch& launch) {
  const auto family = static_cast<size_t>(launch.task.communicator);
  Communicator& communicator = *communicators_[family];
  const int64_t sequence = launch.context.step * per_step_[family] + launch.task.sequence;
  switch (launch.task.op) {
    case Op::all_to_all:
      return all_to_all(launch, communicator, sequence);
    case Op::all_reduce:
      return all_reduce(launch, communicator, sequence);
    case Op::all_gather:
      return communicator.all_gather(sequence, launch.reads[0].data, launch.task.bytes, launch.writes[0].data);
    case Op::reduce_scatter: {
      const std::vector<int64_t> shares(static_cast<size_t>(communicator.size()), launch.writes[0].elements());
      return communicator.reduce_scatter(sequence, launch.reads[0].f32(), launch.writes[0].f32(), shares);
    }
    default:
      break;
  }
  throw InvariantError(__FILE__, __LINE__, "op", std::string("no communicator call for ") + name_of(launch.task.op));
}

std::unique_ptr<Operation> Collectives::all_to_all(const Launch& launch, Communicator& communicator, int64_t sequence) {
  const Task& task = launch.task;
  const auto members = static_cast<size_t>(communicator.size());
  const int me = launch.context.rank, first = launch.context.group_first_rank(),
            local = launch.context.ranks_per_node();
  const auto bytes = [&](int from, int to) {
    const int64_t rows = is_routed(task.leg) ? launch.chunk_counts().leg_rows(task.leg, from - first, to - first, local)
                                             : graph_.rows_between(task.leg, from, to);
    return rows * task.bytes_per_row;
  };
  std::vector<int64_t> send(members), send_at(members), receive(members), receive_at(members);
  int64_t sent = 0, received = 0;
  for (size_t member = 0; member < members; ++member) {
    const int peer = communicator.transport_rank(static_cast<int>(member));
    send_at[member] = sent;
    receive_at[member] = received;
    sent += send[member] = bytes(me, peer);
    received += receive[member] = bytes(peer, me);
  }
  return communicator.all_to_all_v(sequence, data_of(launch.reads), send, send_at, data_of(launch.writes), receive,
                                   receive_at);
}

/// The losses are doubles.
std::unique_ptr<Operation> Collectives::all_reduce(const Launch& launch, Communicator& communicator, int64_t sequence) {
  const Operand& sum = launch.reads[0];
  if (graph_.tensors[static_cast<size_t>(sum.tensor)].kind == TensorKind::input)
    return communicator.all_reduce(sequence, static_cast<double*>(sum.data), sum.elements() / 2);
  return communicator.all_reduce(sequence, sum.f32(), sum.elements());
}

}  // namespace moesaic::executor
