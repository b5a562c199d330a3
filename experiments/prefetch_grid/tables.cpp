#include <cstdio>
#include <nlohmann/json.hpp>

#include "experiments/prefetch_grid/study.h"

namespace moesaic::experiments {
namespace {

std::string milliseconds(const Json& times, const char* key) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, " %.2f |", 1e3 * times[key].get<double>());
  return buffer;
}

constexpr const char* kKeys[] = {"step_s", "exposed_communication_s", "exposed_transfer_s"};

}  // namespace

std::string grid_tables(const Json& result) {
  std::string tables;
  for (const Json& scenario : result["summary"]) {
    const bool executed = scenario["cells"][0].contains("measured");
    tables += "**" + scenario["scenario"].get<std::string>() +
              "** (ms per step)\n\n| prefetch | step, simulated | exposed "
              "communication | exposed transfers |";
    if (executed) tables += " step, measured | exposed communication | exposed transfers |";
    tables += executed ? "\n|---|---|---|---|---|---|---|\n" : "\n|---|---|---|---|\n";
    for (const Json& cell : scenario["cells"]) {
      tables += "| " + cell["prefetch"].get<std::string>() + " |";
      for (const char* key : kKeys) tables += milliseconds(cell["simulated"], key);
      if (executed)
        for (const char* key : kKeys) tables += milliseconds(cell["measured"], key);
      tables += "\n";
    }
    tables += "\n";
  }
  return tables;
}

}  // namespace moesaic::experiments
