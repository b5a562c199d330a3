#pragma once
// Where the time of a step goes: the pieces of all ranks (rank_pieces.h), summed by phase. It only adds up.

#include <array>

#include "core/timeline/timeline.h"

namespace moesaic {

inline constexpr int kNumPhases = 3;  // forward, backward, update

/// The uses of a rank's time, as rank_pieces.h defines them.
struct PhaseTime {
  Seconds compute = 0;
  Seconds exposed_communication = 0;
  Seconds exposed_transfer = 0;
  Seconds bubble = 0;
  Seconds idle = 0;
  bool operator==(const PhaseTime&) const = default;
};

/// All fields of PhaseTime, in the order of Use, and their names.
inline constexpr Seconds PhaseTime::*kPhaseTimeFields[] = {&PhaseTime::compute, &PhaseTime::exposed_communication,
                                                           &PhaseTime::exposed_transfer, &PhaseTime::bubble,
                                                           &PhaseTime::idle};

inline constexpr const char* kPhaseTimeNames[] = {"compute", "exposed communication", "exposed transfer", "bubble",
                                                  "idle"};

/// Mean over ranks, [phase]. An instant belongs to the phase of the first open task of its class in program order; idle
/// time belongs to the phase of the task that ends it, and after a rank's last task to update. The sum over everything
/// is the span of the timeline.
std::array<PhaseTime, kNumPhases> step_breakdown(const Timeline& timeline);

/// When the last task of any rank ends.
Seconds span_of(const Timeline& timeline);

}  // namespace moesaic
