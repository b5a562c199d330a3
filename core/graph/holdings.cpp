#include "core/graph/holdings.h"

#include <algorithm>

#include "core/graph/stages.h"
#include "core/schema/error.h"

namespace moesaic {
namespace {

/// "layers.3.experts.up" -> "layers.3.experts.5.up"
std::string expert_name(const std::string& parameter, int expert) {
  const size_t dot = parameter.rfind('.');
  return parameter.substr(0, dot) + "." + std::to_string(expert) + parameter.substr(dot);
}

std::vector<Piece> slot_pieces(const TaskGraph& graph, const Parameter& parameter, int rank) {
  const ExpertPlacement& placement = graph.placement[parameter.moe_layer];
  const std::vector<int>& slots = placement.slot_to_expert;
  const int first = graph.position(graph.find_communicator("ep"), rank) * placement.slots_per_rank;
  const bool by_task = graph.inputs.task_rows >= 0;  // the ranks of a team have the same slots: nothing is placed twice
  std::vector<Piece> pieces;
  for (int slot = 0; slot < placement.slots_per_rank; ++slot)
    for (const Share& share : parameter.shares) {
      const int placed = slots[static_cast<size_t>(first + slot)];
      if (placed == kNoExpert) continue;
      Piece piece = share.piece;
      piece.tensor = expert_name(parameter.name, placed / graph.expert_slices);
      piece.logical_offset += placed % graph.expert_slices * share.step;
      piece.local_offset += slot * parameter.slot_elements;
      piece.is_copy = !by_task && std::find(slots.begin(), slots.end(), placed) != slots.begin() + first + slot;
      pieces.push_back(std::move(piece));
    }
  return pieces;
}

/// This rank's share of a group's stretch: elements [begin, end).
std::pair<int64_t, int64_t> share_of(const TaskGraph& graph, const ParameterGroup& group, int rank) {
  const auto members = static_cast<int64_t>(graph.group(group.communicator, rank).size());
  const int64_t size = group.elements / members, begin = graph.position(group.communicator, rank) * size;
  return {begin, begin + size};
}

/// Moments and master weights stand in one tensor, one behind the other.
int64_t place_of(State state) { return state == State::second_moment ? 1 : state == State::master_weight ? 2 : 0; }

Holding group_holding(const TaskGraph& graph, const ParameterGroup& group, int rank, State state) {
  const auto [begin, end] = share_of(graph, group, rank);
  Holding holding{state == State::weight ? group.weight_share : group.moments, {}, true};
  for (size_t i = 0; i < group.parameters.size(); ++i)
    for (Piece piece : pieces_of(graph, graph.parameters[group.parameters[i]], rank)) {
      piece.local_offset += group.offsets[i];
      for (Piece& part : clip(piece, begin, end)) {
        part.local_offset += place_of(state) * (end - begin);
        holding.pieces.push_back(std::move(part));
      }
    }
  return holding;
}

Holding parameter_holding(const TaskGraph& graph, const Parameter& parameter, int rank, State state) {
  Holding holding{state == State::weight ? parameter.weight : parameter.moments, pieces_of(graph, parameter, rank),
                  graph.position(parameter.replicas, rank) == 0};
  for (Piece& piece : holding.pieces) piece.local_offset += place_of(state) * parameter.elements;
  return holding;
}

}  // namespace

std::vector<Piece> pieces_of(const TaskGraph& graph, const Parameter& parameter, int rank) {
  if (parameter.moe_layer >= 0) return slot_pieces(graph, parameter, rank);
  const int position = parameter.partition < 0 ? 0 : graph.position(parameter.partition, rank);
  std::vector<Piece> pieces;
  for (const Share& share : parameter.shares) {
    pieces.push_back(share.piece);
    pieces.back().logical_offset += position / share.sharers * share.step;
  }
  return pieces;
}

bool has_master_weights(const TaskGraph& graph) {
  for (const Parameter& parameter : graph.parameters)
    if (parameter.weight >= 0 && parameter.home == Tier::device)
      return graph.tensors[parameter.weight].dtype != DType::f32;
  return false;
}

std::vector<Holding> holdings_of(const TaskGraph& graph, int rank, State state) {
  const int stage = graph.stage_of(rank);
  std::vector<Holding> holdings;
  std::vector<bool> grouped(graph.parameters.size(), false);
  for (const ParameterGroup& group : graph.groups) {
    if (state == State::weight && !group.shares_weights) continue;
    for (int parameter : group.parameters) grouped[static_cast<size_t>(parameter)] = true;
    if (!holds(graph.parameters[group.parameters[0]], stage)) continue;
    holdings.push_back(group_holding(graph, group, rank, state));
  }
  for (size_t i = 0; i < graph.parameters.size(); ++i)
    if (!grouped[i] && graph.parameters[i].home == Tier::device && holds(graph.parameters[i], stage))
      holdings.push_back(parameter_holding(graph, graph.parameters[i], rank, state));
  return holdings;
}

std::vector<UpdateRange> update_ranges(const TaskGraph& graph, TensorId weight, int rank) {
  for (const Parameter& parameter : graph.parameters)
    if (parameter.weight == weight) return {{0, parameter.elements, parameter.decay}};
  for (const ParameterGroup& group : graph.groups) {
    if (group.weight_share != weight) continue;
    const auto [begin, end] = share_of(graph, group, rank);
    std::vector<UpdateRange> ranges;
    for (size_t i = 0; i < group.parameters.size(); ++i) {
      const Parameter& parameter = graph.parameters[group.parameters[i]];
      const int64_t first = std::max(group.offsets[i], begin),
                    last = std::min(group.offsets[i] + parameter.elements, end);
      if (first < last) ranges.push_back({first - begin, last - begin, parameter.decay});
    }
    return ranges;
  }
  throw InvariantError(__FILE__, __LINE__, "weight", "no parameter or group has this weight tensor");
}

}  // namespace moesaic
