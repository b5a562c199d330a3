#include "simulator/worker_pool.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/schema/error.h"
#include "simulator/frame.h"
#include "simulator/simgrid_engine.h"
#include "simulator/worker.h"

namespace moesaic::simulator {
namespace {

/// Keeps `socket`, as descriptor 3, and standard error. Everything else belongs to the parent alone: other workers'
/// sockets, because a worker ends when the last copy of its other end closes, and standard output, because SimGrid
/// flushes what the parent had in its buffer.
int keep_only(int socket) {
  constexpr int kSocket = STDERR_FILENO + 1;
  if (socket != kSocket) ::dup2(socket, kSocket);
  ::close_range(kSocket + 1, ~0U, 0);
  const int nowhere = ::open("/dev/null", O_RDWR);
  for (int standard : {STDIN_FILENO, STDOUT_FILENO}) ::dup2(nowhere, standard);
  ::close(nowhere);
  return kSocket;
}

}  // namespace

WorkerPool::WorkerPool(int num_workers) {
  MOESAIC_CHECK(!SimgridEngine::exists(), "workers must be forked before any SimGrid engine exists in the process");
  for (int i = 0; i < std::max(1, num_workers); ++i) workers_.push_back(fork_worker());
}

WorkerPool::~WorkerPool() {
  for (Worker& worker : workers_) end_worker(worker);
}

WorkerPool::Worker WorkerPool::fork_worker() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    throw DeviceError(std::string("no socket for a simulation worker: ") + std::strerror(errno));
  const pid_t pid = ::fork();
  if (pid == 0) serve_requests(keep_only(ends[1]));
  ::close(ends[1]);
  if (pid < 0) {
    ::close(ends[0]);
    throw DeviceError(std::string("no process for a simulation worker: ") + std::strerror(errno));
  }
  return {pid, ends[0], -1};
}

int WorkerPool::end_worker(Worker& worker) {
  if (worker.pid < 0) return 0;
  ::close(worker.socket);
  int status = 0;
  while (::waitpid(worker.pid, &status, 0) < 0 && errno == EINTR) {
  }
  worker = {};
  return status;
}

void WorkerPool::assign(Worker& worker, std::span<const Plan> plans, const SimulationOptions& options, size_t& next,
                        std::vector<SimulationOutcome>& outcomes) {
  while (worker.plan < 0 && next < plans.size()) {
    const size_t plan = next++;
    try {
      const std::string request = write_request(plans[plan], options);
      if (worker.pid < 0 || !send_frame(worker.socket, request)) {
        end_worker(worker);
        worker = fork_worker();
        if (!send_frame(worker.socket, request)) throw DeviceError("simulation workers die as soon as they start");
      }
      worker.plan = static_cast<ptrdiff_t>(plan);
    } catch (...) {
      outcomes[plan].error = std::current_exception();
    }
  }
}

void WorkerPool::collect(Worker& worker, std::vector<SimulationOutcome>& outcomes) {
  SimulationOutcome& outcome = outcomes[static_cast<size_t>(worker.plan)];
  worker.plan = -1;
  if (const std::optional<std::string> answer = receive_frame(worker.socket)) {
    try {
      outcome = read_answer(*answer);
    } catch (...) {
      outcome.error = std::current_exception();
    }
    return;
  }
  const std::string how = describe_end(end_worker(worker));
  outcome.error = std::make_exception_ptr(DeviceError("the simulation worker " + how));
}

std::vector<SimulationOutcome> WorkerPool::run(std::span<const Plan> plans, const SimulationOptions& options) {
  std::vector<SimulationOutcome> outcomes(plans.size());
  size_t next = 0;
  for (;;) {
    std::vector<pollfd> watched;
    std::vector<Worker*> busy;
    for (Worker& worker : workers_) {
      assign(worker, plans, options, next, outcomes);
      if (worker.plan < 0) continue;
      busy.push_back(&worker);
      watched.push_back({worker.socket, POLLIN, 0});
    }
    if (busy.empty()) return outcomes;
    if (::poll(watched.data(), watched.size(), -1) < 0) continue;  // a signal
    for (size_t i = 0; i < busy.size(); ++i)
      if (watched[i].revents != 0) collect(*busy[i], outcomes);
  }
}

std::vector<pid_t> WorkerPool::pids() const {
  std::vector<pid_t> pids;
  for (const Worker& worker : workers_) pids.push_back(worker.pid);
  return pids;
}

}  // namespace moesaic::simulator
