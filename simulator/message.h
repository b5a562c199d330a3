#pragma once
// What goes to a worker and what comes back: JSON, and behind an answer's the times and samples of its timeline as they
// stand in memory, since a step of many ranks has millions. Doubles keep their bits on the way.

#include <exception>
#include <string>

#include "simulator/simulation.h"

namespace moesaic::simulator {

/// Either a result or the error of one plan.
struct SimulationOutcome {
  SimulationResult result;
  std::exception_ptr error;
};

/// The evaluation of an outcome: a simulation that died is infeasible with the reason, any other error is rethrown.
Evaluation evaluation_of(SimulationOutcome outcome);

std::string write_request(const Plan& plan, const SimulationOptions& options);
/// Reads a request, simulates it here and writes the answer, whatever is thrown on the way.
std::string answer_request(const std::string& request);

std::string write_answer(SimulationResult result);
/// `kind` is "input", "device" or "internal".
std::string write_error(const std::string& kind, const std::string& message);
/// Of the exception that is being handled.
std::string write_caught_error();
SimulationOutcome read_answer(const std::string& answer);

}  // namespace moesaic::simulator
