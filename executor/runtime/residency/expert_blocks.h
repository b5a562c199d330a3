#pragma once
// Expert states as blocks, one per slot: all in host memory, or on storage with some in host memory. It carries out
// what core/policy decides, and knows no tasks.

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/policy/expert_residency.h"
#include "executor/runtime/residency/peak_bytes.h"
#include "executor/runtime/residency/slot_states.h"
#include "executor/store/block_store.h"

namespace moesaic::executor {

class ExpertBlocks {
 public:
  using Brought = std::map<int64_t, SharedStates>;  // by block

  /// Storage is a file in `folder` that ends with this object; "": the system's temporary folder. `host`, which must
  /// outlive it, counts what is in host memory.
  ExpertBlocks(Tier home, int64_t num_blocks, Bytes bytes, const std::string& folder, PeakBytes& host);

  bool on_storage() const { return store_ != nullptr; }
  /// Host memory for a block, for as long as somebody has it; it must not outlive this object.
  SharedStates make();
  /// A block's first states; counts as no traffic.
  void put(int64_t block, const SharedStates& states);

  /// Begins to carry out `moves`. The states of the blocks that are `wanted`, some of them still on their way.
  Brought carry_out(const ExpertMoves& moves, std::span<const int64_t> wanted);
  /// True once nothing is on its way any more. Never blocks.
  bool poll();
  /// Of those that host memory keeps; `block` is one of them.
  const SharedStates& kept(int64_t block) const { return kept_.at(block); }
  /// Waits until nobody reads the states for a write any more: they may be changed.
  void end_write_of(int64_t block);
  /// Begins to write states to storage.
  void write(int64_t block, const SharedStates& states);

  /// States that have changed outside the cache, until write_through() writes those of a layer.
  void changed(int layer, int64_t block, const SharedStates& states);
  void write_through(int layer);

  /// Between steps: the states of a block, wherever it is, and back.
  SharedStates open(int64_t block);
  void close(int64_t block, const SharedStates& states);

  Bytes storage_bytes() const { return store_ ? store_->num_blocks() * store_->block_bytes() : 0; }
  /// Since the last put().
  Bytes bytes_read() const { return store_ ? store_->traffic().bytes_read : 0; }
  Bytes bytes_written() const { return store_ ? store_->traffic().bytes_written - first_writes_ : 0; }

 private:
  struct Read {
    Ticket ticket;
    SharedStates states;  // until it has ended
  };
  struct Write {
    int64_t block;
    Ticket ticket;
    SharedStates states;
  };

  void drop(const ExpertMove& move);
  SharedStates read(int64_t block);

  const Bytes bytes_;
  PeakBytes& host_;
  AlignedPool memory_;  // outlives all states and what storage still moves
  std::unique_ptr<BlockStore> store_;
  std::vector<int64_t> stored_steps_;  // [blocks]: steps applied to what storage holds
  Brought kept_;                       // in host memory from task to task
  std::map<int, std::vector<std::pair<int64_t, SharedStates>>> changed_;  // by MoE layer
  std::vector<Read> reads_;
  std::vector<Write> writes_;
  Bytes first_writes_ = 0;
};

}  // namespace moesaic::executor
