#include "core/timeline/breakdown.h"

#include <algorithm>

#include "core/timeline/rank_pieces.h"

namespace moesaic {

Seconds span_of(const Timeline& timeline) {
  Seconds span = 0;
  for (const TaskTime& time : timeline.times) span = std::max(span, time.end);
  return span;
}

std::array<PhaseTime, kNumPhases> step_breakdown(const Timeline& timeline) {
  std::array<PhaseTime, kNumPhases> total{};
  const RankPieces pieces(timeline);
  for (int rank = 0; rank < timeline.num_ranks; ++rank)
    for (const TimePiece& piece : pieces.of(rank)) {
      const Phase phase = piece.task < 0 ? Phase::update : timeline.rows[piece.task].phase;
      total[static_cast<int>(phase)].*kPhaseTimeFields[static_cast<int>(piece.use)] += piece.end - piece.start;
    }
  for (PhaseTime& phase : total) {
    for (Seconds PhaseTime::*field : kPhaseTimeFields) phase.*field /= timeline.num_ranks;
  }
  return total;
}

}  // namespace moesaic
