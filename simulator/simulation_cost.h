#pragma once
// Measures what one simulation costs: in a fresh process, so that no simulation before it counts, and with any engine.

#include "core/evaluate/simulation_cost.h"
#include "simulator/simulation.h"

namespace moesaic::simulator {

/// The plan has passed `check_plan`. InputError where it cannot be simulated, DeviceError where the process cannot
/// start or dies.
SimulationCost measure_cost(const Plan& plan, const SimulationOptions& options = {});

}  // namespace moesaic::simulator
