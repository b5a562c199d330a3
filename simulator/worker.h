#pragma once
// The life of a worker process: it never simulates itself, but forks one child per request, because SimGrid allows one
// engine per process and ends the process where it cannot go on. A child that dies becomes an error answer with its
// last words.

#include <string>

namespace moesaic::simulator {

/// Answers requests from `socket` until the other side closes it; then ends the process.
[[noreturn]] void serve_requests(int socket);

/// "was ended by signal 9 (Killed)" or "ended with code 3", from a wait status.
std::string describe_end(int wait_status);

}  // namespace moesaic::simulator
