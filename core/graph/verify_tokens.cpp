#include <algorithm>
#include <utility>

#include "core/graph/operands.h"
#include "core/graph/verify_rules.h"
#include "core/operators/row_movers.h"
#include "core/schema/error.h"

namespace moesaic::rules {
namespace {

bool same_rows(const Tensor& a, const Tensor& b) { return a.rows == b.rows && a.fixed_rows == b.fixed_rows; }

bool same_row(const Tensor& a, const Tensor& b) { return a.row_elements == b.row_elements && a.dtype == b.dtype; }

/// The rows that a regrouping reads and writes; fixed where they are parts of tokens.
LegRows rows_of(Regroup order) {
  switch (order) {
    case Regroup::to_slots:
    case Regroup::from_slots:
    case Regroup::from_rails:
      return {Rows::received, Rows::received};
    case Regroup::to_local_major:
    case Regroup::from_local_major:
      return {Rows::sent, Rows::sent};
    case Regroup::relay_out:
    case Regroup::relay_back:
      return {Rows::relayed, Rows::relayed};
    case Regroup::repeat:
      return {Rows::once_received, Rows::fanned};
    case Regroup::none:
    case Regroup::join_columns:
    case Regroup::split_columns:
      break;
  }
  return {};
}

/// The family in which the ranks of a leg meet; "": any two of neighbouring stages.
const char* family_of(Leg leg) {
  switch (leg) {
    case Leg::dispatch:
    case Leg::combine:
      return "ep";
    case Leg::intra_out:
    case Leg::intra_back:
    case Leg::fan_out:
      return "node";
    case Leg::inter_out:
    case Leg::inter_back:
    case Leg::once_out:
    case Leg::places_out:
      return "rail";
    case Leg::columns_out:
    case Leg::columns_back:
      return "world";
    case Leg::none:
    case Leg::next_stage:
    case Leg::previous_stage:
      break;
  }
  return "";
}

/// Where a task's piece of a MoE layer belongs; the same for all its chunks.
uint64_t sibling_key(const Task& task) {
  uint64_t key = static_cast<uint64_t>(task.op);
  const auto append = [&](uint64_t value, int bits) { key = key << bits | value; };
  append(static_cast<uint64_t>(task.leg), 4);
  append(static_cast<uint64_t>(task.regroup), 4);
  append(static_cast<uint64_t>(task.phase), 2);
  append(static_cast<uint16_t>(task.moe_layer), 16);
  append(static_cast<uint16_t>(task.microbatch), 16);
  return key;
}

/// Of a task that is not cut: as many pieces of each chunk.
void check_all_chunks(const Subject& subject, const Task& task, const std::vector<TensorId>& list) {
  std::vector<int> pieces(static_cast<size_t>(subject.graph.num_chunks), 0);
  for (TensorId id : list)
    if (subject.is_routed(id) && !is_window(subject.tensor(id).rows))
      ++pieces[static_cast<size_t>(subject.tensor(id).chunk)];
  MOESAIC_CHECK(std::count(pieces.begin(), pieces.end(), pieces[0]) == std::ssize(pieces),
                subject.at(task) + "uses some chunks and not others");
}

}  // namespace

void exchanges_meet_in_the_group_of_their_leg(const Subject& subject, const Task& task) {
  if (task.op != Op::all_to_all) return;
  const TaskGraph& graph = subject.graph;
  const int of_stage = graph.num_ranks / graph.num_stages;
  const CommunicatorFamily& family = graph.communicators[task.communicator];
  const auto group_of = [&](int stage) { return family.group_of_rank[stage * of_stage]; };
  MOESAIC_CHECK(is_between_stages(task.leg) ? group_of(task.stage) == group_of(task.other_stage) &&
                                                  family.groups[group_of(task.stage)].size() == 2
                                            : family.name == family_of(task.leg),
                subject.at(task) + "ranks of its leg do not meet in family '" + family.name + "'");
}

void exchanges_move_the_rows_of_their_leg(const Subject& subject, const Task& task) {
  if (task.op != Op::all_to_all) return;
  const Tensor &sent = subject.tensor(input_of(task)), &received = subject.tensor(output_of(task));
  MOESAIC_CHECK(same_row(sent, received), subject.at(task) + "rows of '" + sent.name + "' arrive as others");
  if (is_routed(task.leg)) {
    MOESAIC_CHECK((LegRows{sent.rows, received.rows} == rows_on(task.leg)) && task.rows == sent.rows,
                  subject.at(task) + "'" + sent.name + "' or '" + received.name + "' has not the rows of its leg");
  } else {
    MOESAIC_CHECK(same_rows(sent, received), subject.at(task) + "other rows arrive than '" + sent.name + "' holds");
    const int64_t pairs = is_between_stages(task.leg) ? 1 : subject.members(task.communicator, task.stage);
    MOESAIC_CHECK(task.rows == sent.rows && task.fixed_rows * pairs == sent.fixed_rows,
                  subject.at(task) + "sends other rows than '" + sent.name + "' holds");
  }
}

void regroupings_keep_rows(const Subject& subject, const Task& task) {
  if (task.op != Op::regroup) return;
  const Tensor &before = subject.tensor(input_of(task)), &behind = subject.tensor(output_of(task));
  const LegRows rows = rows_of(task.regroup);
  if (rows != LegRows{}) {
    MOESAIC_CHECK(same_row(before, behind) && task.shape.k == before.row_elements,
                  subject.at(task) + "rows of '" + before.name + "' change");
    MOESAIC_CHECK(before.rows == rows.before && behind.rows == rows.after && task.rows == rows.after,
                  subject.at(task) + "'" + before.name + "' or '" + behind.name + "' has not the rows of its order");
  } else {
    MOESAIC_CHECK(before.dtype == behind.dtype && fixed_elements(before) == task.fixed_rows * task.shape.k &&
                      fixed_elements(before) == fixed_elements(behind),
                  subject.at(task) + "'" + behind.name + "' holds not what '" + before.name + "' holds");
  }
}

/// Of every row of a choice somebody says which row it repeats, where rows go to a node once.
void rows_sent_once_have_places(const Subject& subject, const Task& task) {
  const auto are_places = [&](const std::vector<TensorId>& list, size_t operand, Rows rows) {
    if (operand >= list.size()) return false;
    const Tensor& places = subject.tensor(list[operand]);
    return places.dtype == DType::i32 && places.row_elements == 1 && places.rows == rows;
  };
  const bool permutes = task.op == Op::permute && task.rows == Rows::once_sent;
  MOESAIC_CHECK(
      (!permutes || are_places(task.writes, operands::Permute::places, Rows::sent)) &&
          (task.regroup != Regroup::repeat || are_places(task.reads, operands::RowMove::places, Rows::fanned)),
      subject.at(task) + "does not say which rows those of choices repeat");
}

void routed_rows_stay_in_their_pass(const Subject& subject, const Task& task) {
  for (const std::vector<TensorId>* list : {&task.reads, &task.writes})
    for (TensorId id : *list) {
      if (!subject.is_routed(id)) continue;
      const Tensor& tensor = subject.tensor(id);
      MOESAIC_CHECK(tensor.moe_layer == task.moe_layer && tensor.microbatch == task.microbatch,
                    subject.at(task) + "uses '" + tensor.name + "' of another MoE layer or microbatch");
    }
}

/// In an expert-parallel group of one rank, what is sent is what is received.
void tasks_have_the_rows_of_an_operand(const Subject& subject, const Task& task) {
  if (task.rows <= Rows::local) return;
  const auto as_sent = [&](Rows rows) { return subject.ep_is_one && rows == Rows::received ? Rows::sent : rows; };
  const auto has_rows = [&](TensorId id) { return as_sent(subject.tensor(id).rows) == as_sent(task.rows); };
  MOESAIC_CHECK(std::any_of(task.reads.begin(), task.reads.end(), has_rows) ||
                    std::any_of(task.writes.begin(), task.writes.end(), has_rows),
                subject.at(task) + "has other rows than all that it uses");
}

void tasks_use_their_own_chunk_or_all(const Subject& subject, const Task& task) {
  for (const std::vector<TensorId>* list : {&task.reads, &task.writes}) {
    int pieces = 0;
    for (TensorId id : *list) {
      if (!subject.is_routed(id)) continue;
      const Tensor& tensor = subject.tensor(id);
      if (is_window(tensor.rows)) continue;
      MOESAIC_CHECK(
          tensor.num_chunks == subject.graph.num_chunks && tensor.chunk >= 0 && tensor.chunk < tensor.num_chunks,
          subject.at(task) + "'" + tensor.name + "' is no chunk of its layer");
      MOESAIC_CHECK(task.num_chunks == 1 || task.chunk == tensor.chunk,
                    subject.at(task) + "uses '" + tensor.name + "' of another chunk");
      ++pieces;
    }
    if (task.num_chunks < subject.graph.num_chunks && pieces > 0) check_all_chunks(subject, task, *list);
  }
}

/// What one chunk does all do, equally often.
void chunks_are_complete(const Subject& subject) {
  const std::vector<Task>& tasks = subject.graph.tasks;
  const auto chunks = static_cast<size_t>(subject.graph.num_chunks);
  if (chunks == 1) return;
  std::vector<std::pair<std::pair<uint64_t, int>, size_t>> pieces;  // ((key, chunk), task)
  for (size_t i = 0; i < tasks.size(); ++i) {
    if (tasks[i].num_chunks == 1) continue;
    MOESAIC_CHECK(
        tasks[i].num_chunks == subject.graph.num_chunks && tasks[i].chunk >= 0 && tasks[i].chunk < tasks[i].num_chunks,
        subject.at(tasks[i]) + "is no chunk of its layer");
    pieces.push_back({{sibling_key(tasks[i]), tasks[i].chunk}, i});
  }
  std::sort(pieces.begin(), pieces.end());
  for (size_t begin = 0, end = 0; begin < pieces.size(); begin = end) {
    while (end < pieces.size() && pieces[end].first.first == pieces[begin].first.first) ++end;
    const size_t each = std::max<size_t>(1, (end - begin) / chunks);
    for (size_t i = begin; i < end; ++i)
      MOESAIC_CHECK((end - begin) % chunks == 0 && static_cast<size_t>(pieces[i].first.second) == (i - begin) / each,
                    subject.at(tasks[pieces[i].second]) + "its siblings do not cover every chunk equally often");
  }
}

}  // namespace moesaic::rules
