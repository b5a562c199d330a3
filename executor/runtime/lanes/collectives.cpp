#include "executor/runtime/lanes/collectives.h"

#include "core/operators/collectives.h"
#include "core/schema/error.h"
#include "executor/device_comm/staged_group.h"

namespace moesaic::executor {
namespace {

const Operand& sent(const Launch& launch) { return launch.reads[operands::Collective::sent]; }
const Operand& received(const Launch& launch) { return launch.writes[operands::Collective::received]; }

/// Between pipeline stages one side has nothing to read, the other nothing to write.
void* sent_data(const Launch& launch) { return launch.reads.empty() ? nullptr : sent(launch).data; }
void* received_data(const Launch& launch) { return launch.writes.empty() ? nullptr : received(launch).data; }

}  // namespace

Collectives::Collectives(const TaskGraph& graph, Transport& transport, int rank, Backend& backend,
                         const MakeDeviceGroups& make_groups)
    : graph_(graph),
      per_step_(graph.communicators.size(), 0),
      staging_({[&backend](int64_t bytes) { return backend.allocate_host(bytes); },
                [&backend](void* data) { backend.release_host(data); }}) {
  for (size_t i = 0; i < graph.communicators.size(); ++i)
    communicators_.push_back(
        std::make_unique<Communicator>(transport, graph.group(static_cast<int>(i), rank), static_cast<int>(i)));
  std::vector<int> all;
  for (int r = 0; r < graph.num_ranks; ++r) all.push_back(r);
  control_ = std::make_unique<Communicator>(transport, all, static_cast<int>(graph.communicators.size()));
  for (const Task& task : graph.tasks)
    if (task.communicator >= 0) ++per_step_[static_cast<size_t>(task.communicator)];
  if (backend.runs_inline()) return;
  if (make_groups) {
    groups_ = make_groups(communicators_);
    return;
  }
  for (const std::unique_ptr<Communicator>& communicator : communicators_)
    groups_.push_back(std::make_unique<StagedGroup>(*communicator, backend, staging_));
}

std::unique_ptr<Operation> Collectives::start(const Launch& launch) {
  if (groups_.empty()) return start_on_host(launch);
  return start_on_device(launch, *groups_[static_cast<size_t>(launch.task.communicator)]);
}

std::unique_ptr<Operation> Collectives::start_on_host(const Launch& launch) {
  const auto family = static_cast<size_t>(launch.task.communicator);
  Communicator& communicator = *communicators_[family];
  const int64_t sequence = launch.context.step * per_step_[family] + launch.task.sequence;
  switch (launch.task.op) {
    case Op::all_to_all: {
      const Exchange e = exchange_of(launch);
      return communicator.all_to_all_v(sequence, sent_data(launch), e.send, e.send_at, received_data(launch), e.receive,
                                       e.receive_at);
    }
    case Op::all_reduce:
      return all_reduce(launch, communicator, sequence);
    case Op::all_gather:
      return communicator.all_gather(sequence, sent(launch).data, launch.task.bytes, received(launch).data);
    case Op::reduce_scatter: {
      const std::vector<int64_t> shares(static_cast<size_t>(communicator.size()), received(launch).elements());
      return communicator.reduce_scatter(sequence, sent(launch).f32(), received(launch).f32(), shares);
    }
    default:
      break;
  }
  throw InvariantError(__FILE__, __LINE__, "op", std::string("no communicator call for ") + name_of(launch.task.op));
}

std::unique_ptr<Operation> Collectives::start_on_device(const Launch& launch, DeviceGroup& group) {
  switch (launch.task.op) {
    case Op::all_to_all: {
      const Exchange e = exchange_of(launch);
      return group.all_to_all_v(sent_data(launch), e.send, e.send_at, received_data(launch), e.receive, e.receive_at);
    }
    case Op::all_reduce: {
      const Operand& sum = sent(launch);
      const SumType type = sum_type(sum);
      return group.all_reduce(sum.data, sum.bytes() / bytes_of(type), type);
    }
    case Op::all_gather:
      return group.all_gather(sent(launch).data, launch.task.bytes, received(launch).data);
    case Op::reduce_scatter:
      return group.reduce_scatter(sent(launch).data, received(launch).data, received(launch).elements(),
                                  sum_type(sent(launch)));
    default:
      break;
  }
  throw InvariantError(__FILE__, __LINE__, "op",
                       std::string("no collective of devices for ") + name_of(launch.task.op));
}

Collectives::Exchange Collectives::exchange_of(const Launch& launch) const {
  const Task& task = launch.task;
  const Communicator& communicator = *communicators_[static_cast<size_t>(task.communicator)];
  const int me = launch.context.rank, first = launch.context.group_first_rank(),
            local = launch.context.ranks_per_node();
  const auto bytes = [&](int from, int to) {
    const int64_t rows = is_routed(task.leg) ? launch.chunk_counts().leg_rows(task.leg, from - first, to - first, local)
                                             : graph_.rows_between(task.leg, from, to);
    return rows * task.bytes_per_row;
  };
  Exchange exchange;
  int64_t sent = 0, received = 0;
  for (int member = 0; member < communicator.size(); ++member) {
    const int peer = communicator.transport_rank(member);
    exchange.send_at.push_back(sent);
    exchange.receive_at.push_back(received);
    sent += exchange.send.emplace_back(bytes(me, peer));
    received += exchange.receive.emplace_back(bytes(peer, me));
  }
  return exchange;
}

/// The losses are doubles.
SumType Collectives::sum_type(const Operand& sum) const {
  if (graph_.tensors[static_cast<size_t>(sum.tensor)].kind == TensorKind::input) return SumType::f64;
  return sum.dtype == DType::bf16 ? SumType::bf16 : SumType::f32;
}

std::unique_ptr<Operation> Collectives::all_reduce(const Launch& launch, Communicator& communicator, int64_t sequence) {
  const Operand& sum = sent(launch);
  if (sum_type(sum) == SumType::f64) return communicator.all_reduce(sequence, sum.as<double>(), sum.elements() / 2);
  return communicator.all_reduce(sequence, sum.f32(), sum.elements());
}

}  // namespace moesaic::executor
