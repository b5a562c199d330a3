#include "core/timeline/breakdown.h"

#include <algorithm>
#include <map>

#include "core/timeline/rank_pieces.h"

namespace moesaic {
namespace {

/// A piece as what it adds to a breakdown.
struct Part {
  Seconds seconds = 0;
  uint8_t phase = 0, use = 0;
};

std::vector<Part> parts_of(const RankPieces& pieces, int rank, const OfTasks<Phase>& phases) {
  const std::vector<TimePiece> of_rank = pieces.of(rank);
  std::vector<Part> parts;
  parts.reserve(of_rank.size());
  for (const TimePiece& piece : of_rank) {
    const Phase phase = piece.task < 0 ? Phase::update : phases[piece.task];
    parts.push_back({piece.end - piece.start, static_cast<uint8_t>(phase), static_cast<uint8_t>(piece.use)});
  }
  return parts;
}

}  // namespace

Seconds span_of(const Timeline& timeline) {
  Seconds span = 0;
  for (const TaskTime& time : timeline.times) span = std::max(span, time.end);
  return span;
}

std::array<PhaseTime, kNumPhases> step_breakdown(const Timeline& timeline) {
  std::array<PhaseTime, kNumPhases> total{};
  const RankPieces pieces(timeline);
  OfTasks<Phase> phases;
  for (const TaskRow& row : timeline.rows) phases.push_back(row.phase);
  std::map<int, int> uses_left;  // of the parts of ranks that hold for others too
  for (int rank = 0; rank < timeline.num_ranks; ++rank) ++uses_left[timeline.same_times_as(rank)];
  std::map<int, std::vector<Part>> known;
  for (int rank = 0; rank < timeline.num_ranks; ++rank) {
    const int own = timeline.same_times_as(rank);
    const auto [parts, is_new] = known.try_emplace(own);
    if (is_new) parts->second = parts_of(pieces, rank, phases);
    for (const Part& part : parts->second) total[part.phase].*kPhaseTimeFields[part.use] += part.seconds;
    if (--uses_left[own] == 0) known.erase(parts);
  }
  for (PhaseTime& phase : total) {
    for (Seconds PhaseTime::*field : kPhaseTimeFields) phase.*field /= timeline.num_ranks;
  }
  return total;
}

}  // namespace moesaic
