#include "executor/runtime/residency/expert_blocks.h"

#include <algorithm>

#include "core/schema/temporary_folder.h"

namespace moesaic::executor {

ExpertBlocks::ExpertBlocks(Tier home, int64_t num_blocks, Bytes bytes, const std::string& folder, PeakBytes& host)
    : bytes_(bytes), host_(host), memory_(bytes), stored_steps_(static_cast<size_t>(num_blocks), 0) {
  if (home != Tier::storage) return;
  store_ = std::make_unique<BlockStore>(folder.empty() ? temporary_folder() : folder, num_blocks, bytes);
}

SharedStates ExpertBlocks::make() {
  host_.add(bytes_);
  return SharedStates(new SlotStates{memory_.take()}, [this](SlotStates* states) {
    host_.remove(bytes_);
    delete states;
  });
}

void ExpertBlocks::put(int64_t block, const SharedStates& states) {
  if (!store_) {
    kept_[block] = states;
    return;
  }
  store_->wait(store_->write(block, states->memory.data()));
  first_writes_ = store_->traffic().bytes_written;
}

ExpertBlocks::Brought ExpertBlocks::carry_out(const ExpertMoves& moves, std::span<const int64_t> wanted) {
  Brought brought;
  for (int64_t block : wanted)
    if (const auto kept = kept_.find(block); kept != kept_.end()) brought[block] = kept->second;
  for (const ExpertMove& move : moves.moves) {
    if (!move.reads()) {
      drop(move);
      continue;
    }
    const SharedStates states = brought[move.block] = read(move.block);
    if (move.kind == ExpertMove::Kind::kReadAndKeep) kept_[move.block] = states;
  }
  return brought;
}

void ExpertBlocks::drop(const ExpertMove& move) {
  const auto dropped = kept_.find(move.block);
  if (move.kind == ExpertMove::Kind::kWriteAndDrop) write(move.block, dropped->second);
  kept_.erase(dropped);
}

/// What is still being written need not be read.
SharedStates ExpertBlocks::read(int64_t block) {
  const auto writing = std::find_if(writes_.begin(), writes_.end(), [&](const Write& w) { return w.block == block; });
  if (writing != writes_.end()) return writing->states;
  SharedStates states = make();
  states->steps = stored_steps_[static_cast<size_t>(block)];
  reads_.push_back({store_->read(block, states->memory.data()), states});
  return states;
}

void ExpertBlocks::write(int64_t block, const SharedStates& states) {
  end_write_of(block);
  stored_steps_[static_cast<size_t>(block)] = states->steps;
  writes_.push_back({block, store_->write(block, states->memory.data()), states});
}

void ExpertBlocks::end_write_of(int64_t block) {
  const auto writing = std::find_if(writes_.begin(), writes_.end(), [&](const Write& w) { return w.block == block; });
  if (writing == writes_.end()) return;
  store_->wait(writing->ticket);
  writes_.erase(writing);
}

bool ExpertBlocks::poll() {
  if (!store_) return true;
  std::erase_if(reads_, [&](const Read& read) { return store_->done(read.ticket); });
  std::erase_if(writes_, [&](const Write& write) { return store_->done(write.ticket); });
  return reads_.empty() && writes_.empty();
}

void ExpertBlocks::changed(int layer, int64_t block, const SharedStates& states) {
  changed_[layer].emplace_back(block, states);
}

void ExpertBlocks::write_through(int layer) {
  for (const auto& [block, states] : changed_[layer]) write(block, states);
  changed_[layer].clear();
}

SharedStates ExpertBlocks::open(int64_t block) {
  if (const auto kept = kept_.find(block); kept != kept_.end()) return kept->second;
  SharedStates states = make();
  end_write_of(block);
  store_->wait(store_->read(block, states->memory.data()));
  states->steps = stored_steps_[static_cast<size_t>(block)];
  return states;
}

void ExpertBlocks::close(int64_t block, const SharedStates& states) {
  if (!store_) return;
  write(block, states);
  end_write_of(block);
}

}  // namespace moesaic::executor
