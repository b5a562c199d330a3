#pragma once
// What the operating system says about this machine: names and sizes. It measures nothing.

#include <string>

#include "core/schema/units.h"

namespace moesaic::executor {

struct Machine {
  std::string processor;        // /proc/cpuinfo, "model name"
  std::string instruction_set;  // of matrix products (executor/cpu/instruction_set.h)
  int cores = 0;                // on line
  Bytes memory_bytes = 0;       // MemTotal
  Bytes core_cache_bytes = 0;   // second level
  Bytes last_cache_bytes = 0;   // last level, shared by the cores
};

Machine this_machine();

/// "AMD EPYC with AVX512_CORE_BF16, 2 cores, 23.5 GiB memory, 32 MiB last-level cache"
std::string description_of(const Machine& machine);

/// The system clock, UTC: "2026-03-01T12:00:00Z".
std::string current_date();

}  // namespace moesaic::executor
