#pragma once
// Starts the ranks of a job on this machine, which join over TCP: what mpirun is for MPI. It runs as a process of its
// own, whose group the ranks belong to.

#include <string>
#include <vector>

namespace moesaic::cli {

/// Runs the command once per rank, with MOESAIC_RANK, MOESAIC_SIZE, MOESAIC_ADDRESS (a free port of 127.0.0.1) and
/// MOESAIC_JOB. When one ends before its time the others get SIGTERM and, a second later, SIGKILL; one that was killed
/// is named on standard error as "@died RANK SIGNAL". Returns the first failure's exit code, or 0, when all have ended.
int run_tcp_ranks(const std::vector<std::string>& command, int ranks);

/// Becomes the command; says why where that cannot be.
[[noreturn]] void execute(const std::vector<std::string>& command);

}  // namespace moesaic::cli
