#include "executor/profiling/machine.h"

#include <unistd.h>

#include <cstdio>
#include <ctime>
#include <fstream>

#include "executor/cpu/instruction_set.h"

namespace moesaic::executor {
namespace {

/// The text after "key ... :" of the first such line of a /proc file; empty when there is none.
std::string value_of(const char* path, const std::string& key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(':');
    if (!line.starts_with(key) || colon == std::string::npos) continue;
    const size_t begin = line.find_first_not_of(" \t", colon + 1);
    return begin == std::string::npos ? "" : line.substr(begin);
  }
  return {};
}

Bytes cache_bytes(int name, Bytes otherwise) {
  const long bytes = sysconf(name);
  return bytes > 0 ? bytes : otherwise;
}

}  // namespace

Machine this_machine() {
  Machine machine;
  machine.processor = value_of("/proc/cpuinfo", "model name");
  if (machine.processor.empty()) machine.processor = "unnamed processor";
  machine.instruction_set = cpu::instruction_set();
  machine.cores = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
  machine.memory_bytes = static_cast<Bytes>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
  // Where the system does not say: the sizes of common server processors.
  machine.core_cache_bytes = cache_bytes(_SC_LEVEL2_CACHE_SIZE, Bytes{1} << 20);
  machine.last_cache_bytes = cache_bytes(_SC_LEVEL3_CACHE_SIZE, Bytes{32} << 20);
  return machine;
}

std::string description_of(const Machine& machine) {
  const auto mib = [](Bytes bytes) { return static_cast<double>(bytes) / (1 << 20); };
  char sizes[96];
  std::snprintf(sizes, sizeof(sizes), ", %d cores, %.1f GiB memory, %.0f MiB last-level cache", machine.cores,
                mib(machine.memory_bytes) / 1024, mib(machine.last_cache_bytes));
  return machine.processor + " with " + machine.instruction_set + sizes;
}

std::string current_date() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[32];
  std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

}  // namespace moesaic::executor
