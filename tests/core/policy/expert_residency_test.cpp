#include "core/policy/expert_residency.h"

#include <gtest/gtest.h>

namespace moesaic {
namespace {

using MoveKind = ExpertMove::Kind;
using Slots = std::vector<int>;

ExpertStorage storage(int64_t entries) {
  ExpertStorage settings;
  settings.home = Tier::storage;
  settings.cache_entries = entries;
  settings.decay = 1;
  return settings;
}

// Layers of 3 and 2 slots: blocks 0..2 and 3..4.
TEST(ExpertResidency, NumbersBlocksOverTheLayers) {
  const ExpertResidency residency(storage(2), {3, 2});
  EXPECT_EQ(residency.block(1, 1), 4);
  EXPECT_EQ(residency.num_blocks(), 5);
}

// The first prediction is every slot; later ones are what was active. What a prediction brought is not missing.
TEST(ExpertResidency, PredictsWhatWasActiveLast) {
  ExpertResidency residency(storage(5), {3, 2});
  EXPECT_EQ(residency.load_predicted(0).slots, (Slots{0, 1, 2}));
  EXPECT_EQ(residency.load_missing(0, Slots{1}).slots, Slots{});
  EXPECT_EQ(residency.load_predicted(0).slots, Slots{1});
  EXPECT_EQ(residency.load_missing(0, Slots{0, 1}).slots, Slots{0});
  EXPECT_EQ(residency.load_missing(0, Slots{2}).slots, Slots{2});  // no prediction before: all that is active
}

// Room for 2: blocks 0 and 1 enter; 2 evicts the one with the least hits, of equals the lowest: 0. After an update of
// slot 1, block 1 is dirty; when 0 comes back it evicts 1, which storage does not have yet.
TEST(ExpertResidency, WritesChangedStatesBackWhenTheyLeave) {
  ExpertResidency residency(storage(2), {3});
  EXPECT_EQ(residency.load_active(0, Slots{0, 1, 2}).moves, (std::vector<ExpertMove>{{MoveKind::kReadAndKeep, 0},
                                                                                     {MoveKind::kReadAndKeep, 1},
                                                                                     {MoveKind::kDrop, 0},
                                                                                     {MoveKind::kReadAndKeep, 2}}));
  EXPECT_EQ(residency.updated(0, Slots{0, 1}), std::vector<int64_t>{0});  // 0 is not in the cache: at once
  EXPECT_EQ(residency.load_active(0, Slots{0}).moves,
            (std::vector<ExpertMove>{{MoveKind::kWriteAndDrop, 1}, {MoveKind::kReadAndKeep, 0}}));
}

TEST(ExpertResidency, HostMemoryNeedsNoStorage) {
  ExpertStorage settings;
  settings.home = Tier::host;
  ExpertResidency residency(settings, {3});
  EXPECT_EQ(residency.load_active(0, Slots{0, 2}), (ExpertMoves{{0, 2}, {}}));
  EXPECT_TRUE(residency.updated(0, Slots{0}).empty());
}

}  // namespace
}  // namespace moesaic
