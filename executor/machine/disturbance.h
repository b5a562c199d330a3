#pragma once
// How much of what runs here was disturbed by other work on this machine: processor time against wall time, involuntary
// context switches, and time that a hypervisor gave to other guests. It reads counters; what they mean for a
// measurement is its caller's to judge.

#include <sys/resource.h>

#include <cstdint>
#include <string_view>

#include "core/schema/units.h"

namespace moesaic::executor {

/// What a reading counts: the calling thread, or all threads of this process together.
enum class Counted { thread, process };

/// Processor time so far. A system call each: 0.1 to 0.3 us.
Seconds cpu_seconds(Counted counted);

/// Ticks (1/100 s) of all cores together since the system started: `busy` are those in which a core had work, `stolen`
/// those of them that the hypervisor gave to other guests.
struct MachineTicks {
  int64_t busy = 0, stolen = 0;
  bool operator==(const MachineTicks&) const = default;
};

/// Of the text of /proc/stat; zeros where its line "cpu" is missing or broken.
MachineTicks parse_machine_ticks(std::string_view proc_stat);
/// Of this machine; zeros where there is no /proc.
MachineTicks machine_ticks();

/// Times that the scheduler took the core away while there was more to do. A thread that polls and yields may be
/// counted without having lost anything.
int64_t involuntary_switches(const rusage& usage);

/// All counters at one point of a run. Some 20 us, as /proc/stat names every interrupt: for runs and benchmarks, not
/// for tasks.
struct DisturbanceReading {
  Seconds wall = 0, cpu = 0;  // of a steady clock; processor time
  int64_t involuntary_switches = 0;
  MachineTicks machine;
};
DisturbanceReading read_disturbance(Counted counted);

/// What lay between two readings.
struct Disturbance {
  Seconds wall = 0, cpu = 0;
  int64_t involuntary_switches = 0;
  double steal_share = 0;  // in [0, 1]: of the time in which the machine's cores had work

  /// In [0, 1]: of the wall time, what one thread that never waits did not get of its core.
  double lost_share() const;
};
Disturbance disturbance_between(const DisturbanceReading& begin, const DisturbanceReading& end);

}  // namespace moesaic::executor
