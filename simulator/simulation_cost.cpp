#include "simulator/simulation_cost.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <optional>

#include "core/schema/error.h"
#include "core/technique/lower.h"
#include "simulator/frame.h"
#include "simulator/message.h"
#include "simulator/worker.h"

namespace moesaic::simulator {
namespace {

constexpr int kRefused = 2;  // exit code of a child that answers with an error

/// Of this process and its core: others may share the machine.
Seconds cpu_seconds() { return static_cast<Seconds>(std::clock()) / CLOCKS_PER_SEC; }

Bytes largest_resident_set() {
  constexpr Bytes kKilobyte = 1024;  // the unit of ru_maxrss
  rusage usage;
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss * kKilobyte;
}

SimulationCost cost_here(const Plan& plan, const SimulationOptions& options) {
  SimulationCost cost;
  cost.begin_bytes = largest_resident_set();
  const Seconds begin = cpu_seconds();
  const TaskGraph graph = lower(plan);
  const Seconds lowered = cpu_seconds();
  cost.lowered_bytes = largest_resident_set();
  const Evaluation evaluation = simulate_in_this_process(graph, plan, options).evaluation;
  cost.lower_cpu_seconds = lowered - begin;
  cost.simulate_cpu_seconds = cpu_seconds() - lowered;
  cost.peak_bytes = largest_resident_set();
  cost.graph_tasks = static_cast<int64_t>(graph.tasks.size());
  cost.tasks = evaluation.prediction.tasks;
  cost.activities = evaluation.activities;
  cost.step_seconds = evaluation.prediction.step_seconds;
  return cost;
}

/// Answers with a cost as it stands in memory, or with an error and another exit code.
[[noreturn]] void work(int socket, const Plan& plan, const SimulationOptions& options, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);  // it died before the line above
  for (int signal : {SIGINT, SIGTERM, SIGHUP}) ::signal(signal, SIG_DFL);
  try {
    const SimulationCost cost = cost_here(plan, options);
    ::_exit(send_frame(socket, {reinterpret_cast<const char*>(&cost), sizeof cost}) ? 0 : 1);
  } catch (const std::exception&) {
    send_frame(socket, write_caught_error());
    ::_exit(kRefused);
  }
}

SimulationCost cost_of(const std::optional<std::string>& answer, int status) {
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  if (answer && code == kRefused) std::rethrow_exception(read_answer(*answer).error);
  SimulationCost cost;
  if (!answer || code != 0 || answer->size() != sizeof cost)
    throw DeviceError("the simulation " + describe_end(status));
  std::memcpy(&cost, answer->data(), sizeof cost);
  return cost;
}

}  // namespace

SimulationCost measure_cost(const Plan& plan, const SimulationOptions& options) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    throw DeviceError(std::string("no socket for the simulation: ") + std::strerror(errno));
  std::fflush(nullptr);  // SimGrid flushes what a child inherits
  const pid_t self = ::getpid(), pid = ::fork();
  if (pid == 0) {
    ::close(ends[0]);
    work(ends[1], plan, options, self);
  }
  const int failure = errno;
  ::close(ends[1]);
  const std::optional<std::string> answer = pid > 0 ? receive_frame(ends[0]) : std::nullopt;
  ::close(ends[0]);
  if (pid < 0) throw DeviceError(std::string("no process for the simulation: ") + std::strerror(failure));
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return cost_of(answer, status);
}

}  // namespace moesaic::simulator
