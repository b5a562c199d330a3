#pragma once
// Where the time of a step goes: every instant of every rank is compute, exposed communication, exposed transfer,
// bubble or idle, by phase. It only classifies; core/timeline/stage_waits.h says until when a task waits for a stage.

#include <array>

#include "core/timeline/timeline.h"

namespace moesaic {

inline constexpr int kNumPhases = 3;  // forward, backward, update

struct PhaseTime {
  Seconds compute = 0;                // a task of the compute lane runs
  Seconds exposed_communication = 0;  // else a task of the network lane is open that waits for no other stage
  Seconds exposed_transfer = 0;       // else a copy or storage task is open
  Seconds bubble = 0;                 // else a task of the network lane waits for another pipeline stage
  Seconds idle = 0;                   // else
  bool operator==(const PhaseTime&) const = default;
};

/// All fields of PhaseTime, and their names.
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
