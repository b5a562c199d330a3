#include "executor/machine/disturbance.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

#include "executor/machine/steady_clock.h"

namespace moesaic::executor {
namespace {

// Columns of the line "cpu" (proc_stat(5)): user, nice, system, idle, iowait, irq, softirq, steal. The time of guests,
// behind them, is part of user and nice.
enum Column { user, nice, system_, idle, iowait, irq, softirq, steal, kColumns };

Seconds seconds_of(const timespec& time) {
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

}  // namespace

Seconds cpu_seconds(Counted counted) {
  timespec time{};
  clock_gettime(counted == Counted::thread ? CLOCK_THREAD_CPUTIME_ID : CLOCK_PROCESS_CPUTIME_ID, &time);
  return seconds_of(time);
}

MachineTicks parse_machine_ticks(std::string_view proc_stat) {
  constexpr std::string_view kLine = "cpu ";  // all cores; "cpu0 " is one of them
  size_t at = proc_stat.starts_with(kLine) ? 0 : proc_stat.find("\ncpu ");
  if (at == std::string_view::npos) return {};
  if (at > 0) ++at;
  std::istringstream line(std::string(proc_stat.substr(at + kLine.size(), proc_stat.find('\n', at) - at)));
  std::array<int64_t, kColumns> ticks{};
  for (int64_t& column : ticks)
    if (!(line >> column)) return {};
  MachineTicks result{0, ticks[steal]};
  for (size_t column = 0; column < kColumns; ++column)
    if (column != idle && column != iowait) result.busy += ticks[column];
  return result;
}

MachineTicks machine_ticks() {
  std::ifstream file("/proc/stat");
  return parse_machine_ticks(std::string(std::istreambuf_iterator<char>(file), {}));
}

int64_t involuntary_switches(const rusage& usage) { return usage.ru_nivcsw; }

DisturbanceReading read_disturbance(Counted counted) {
  DisturbanceReading reading;
  rusage usage{};
  getrusage(counted == Counted::thread ? RUSAGE_THREAD : RUSAGE_SELF, &usage);
  reading.involuntary_switches = involuntary_switches(usage);
  reading.machine = machine_ticks();
  reading.cpu = cpu_seconds(counted);
  reading.wall = steady_seconds();
  return reading;
}

double Disturbance::lost_share() const { return wall > 0 ? std::clamp(1 - cpu / wall, 0.0, 1.0) : 0; }

Disturbance disturbance_between(const DisturbanceReading& begin, const DisturbanceReading& end) {
  const int64_t busy = end.machine.busy - begin.machine.busy, stolen = end.machine.stolen - begin.machine.stolen;
  return {end.wall - begin.wall, end.cpu - begin.cpu, end.involuntary_switches - begin.involuntary_switches,
          busy > 0 ? std::clamp(static_cast<double>(stolen) / static_cast<double>(busy), 0.0, 1.0) : 0};
}

}  // namespace moesaic::executor
