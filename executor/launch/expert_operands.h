#pragma once
// Tasks of experts, unpacked: how many rows each of this rank's slots has, and where its weights and gradients stand,
// which may be one tensor with all slots or windows with some of them.

#include "core/operators/experts.h"
#include "executor/backend/backend.h"
#include "executor/launch/row_order.h"

namespace moesaic::executor {

/// The elements of one slot in what holds it.
struct SlotPart {
  const Operand* held = nullptr;  // null: nothing holds the slot
  int64_t begin = 0, elements = 0;

  template <typename Element>
  Element* as() const {
    return held == nullptr ? nullptr : held->as<Element>() + begin;
  }
};
using SlotParts = std::vector<SlotPart>;  // [slots]

/// [slots] pointers, null where nothing holds a slot.
template <typename Element>
std::vector<Element*> pointers(const SlotParts& parts) {
  std::vector<Element*> data;
  for (const SlotPart& part : parts) data.push_back(part.as<Element>());
  return data;
}

struct ExpertSizes {
  explicit ExpertSizes(const Launch& launch);
  int64_t slots, h, f;
  bool gated;
};

struct ExpertsForward {
  explicit ExpertsForward(const Launch& launch);
  ExpertSizes sizes;
  std::vector<int64_t> rows;  // [slots], of the task's chunk
  const Operand& x;
  SlotParts up, down;
  const Operand &u, &a, &y;
};

struct ExpertsDgrad {
  explicit ExpertsDgrad(const Launch& launch);
  ExpertSizes sizes;
  std::vector<int64_t> rows;  // [slots], of the task's chunk
  const Operand &dy, &u;
  SlotParts up, down;
  const Operand &du, &dx;
};

/// Weight gradients sum the rows of all chunks in the order of a whole exchange, so that chunks change no bit.
struct ExpertsWgrad {
  using Part = operands::ExpertsWgrad::OfChunk;
  explicit ExpertsWgrad(const Launch& launch);
  const Operand& of_chunk(int chunk, Part part) const;
  int64_t width(Part part) const;  // elements of a row

  const Launch& launch;
  ExpertSizes sizes;
  std::vector<int64_t> rows;        // [slots], of all chunks
  std::vector<ChunkSegment> order;  // empty where there is one chunk: it is the whole
  SlotParts d_up, d_down;
};

/// Of a task that gathers or spreads gradients of replicas: the slots of this rank with experts that hold others too,
/// in these operands.
struct ReplicaGradients {
  struct Slot {
    size_t round;
    SlotPart d_up, d_down;
  };
  ReplicaGradients(const Launch& launch, const Operand& d_up, const Operand& d_down);
  std::vector<Slot> slots;  // ascending; without those that no window holds
  bool keeps_sum;           // other groups that hold the slots keep zeros, for what is summed over groups
};

}  // namespace moesaic::executor
