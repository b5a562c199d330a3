#pragma once
// Two presets on this machine, simulated and executed in turns: which is faster here, and in which class of tasks.

#include "experiments/02b_does_semoe_win_here/result.h"
#include "experiments/laboratory/study.h"

namespace moesaic::experiments {

struct PresetsHereAxes {
  std::string name;
  DocumentNames documents;       // cluster and profile: those of one machine
  std::string baseline, system;  // presets
  int ranks = 2;
  int rounds = 7;
  int64_t steps = 21;
};
PresetsHereAxes read_presets_here_axes(const Json& json, const std::string& file);

PresetsHereResult run_presets_here(const PresetsHereAxes& axes, const Laboratory& laboratory);
std::string presets_here_tables(const PresetsHereResult& result);

extern const Study kPresetsHereStudy;

}  // namespace moesaic::experiments
