#include "simulator/worker.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>

#include "simulator/frame.h"
#include "simulator/message.h"

namespace moesaic::simulator {
namespace {

/// As much of the child's standard error as an error message repeats.
constexpr off_t kLastWordsBytes = 2000;

std::string read_from(int file, off_t offset) {
  std::string text;
  char buffer[65536];
  for (ssize_t bytes; (bytes = ::pread(file, buffer, sizeof buffer, offset)) > 0; offset += bytes)
    text.append(buffer, static_cast<size_t>(bytes));
  return text;
}

bool write_all(int file, const std::string& text) {
  for (size_t done = 0; done < text.size();) {
    const ssize_t bytes = ::write(file, text.data() + done, text.size() - done);
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes <= 0) return false;
    done += static_cast<size_t>(bytes);
  }
  return true;
}

/// A child at work: its answer and its standard error go to files in memory, so that nothing half-written reaches the
/// socket. The write end of `alive` is open in the child alone and closes with it.
struct Child {
  pid_t pid = -1;
  int answer = -1, errors = -1, alive = -1;

  ~Child() {
    for (int file : {answer, errors, alive})
      if (file >= 0) ::close(file);
  }
};

[[noreturn]] void work(const Child& child, const std::string& request, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);  // it died before the line above
  ::dup2(child.errors, STDERR_FILENO);
  ::_exit(write_all(child.answer, answer_request(request)) ? 0 : 1);
}

bool start_child(Child& child, const std::string& request, int socket) {
  int alive[2];
  if (::pipe2(alive, O_CLOEXEC) != 0) return false;
  child.alive = alive[0];
  child.answer = ::memfd_create("answer", MFD_CLOEXEC);
  child.errors = ::memfd_create("errors", MFD_CLOEXEC);
  const pid_t self = ::getpid();
  child.pid = child.answer < 0 || child.errors < 0 ? -1 : ::fork();
  if (child.pid == 0) {
    ::close(alive[0]);
    ::close(socket);
    work(child, request, self);
  }
  ::close(alive[1]);
  return child.pid > 0;
}

/// Waits for the child to end. Where the asking side goes first, nobody wants the answer: kills the child and ends.
int await_end(const Child& child, int socket) {
  for (;;) {
    pollfd watched[2] = {{child.alive, POLLIN, 0}, {socket, POLLRDHUP, 0}};
    if (::poll(watched, 2, -1) < 0 && errno == EINTR) continue;
    if (watched[1].revents != 0) ::kill(child.pid, SIGKILL);
    if (watched[0].revents != 0 || watched[1].revents != 0) break;
  }
  int status = 0;
  while (::waitpid(child.pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

std::string answer_in_child(const std::string& request, int socket) {
  Child child;
  if (!start_child(child, request, socket))
    return write_error("device", std::string("no process for the simulation: ") + std::strerror(errno));
  const int status = await_end(child, socket);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return read_from(child.answer, 0);
  const off_t bytes = ::lseek(child.errors, 0, SEEK_END);
  const std::string last_words = read_from(child.errors, bytes > kLastWordsBytes ? bytes - kLastWordsBytes : 0);
  return write_error("device", "the simulation " + describe_end(status) +
                                   (last_words.empty() ? "" : "; its last words: " + last_words));
}

}  // namespace

std::string describe_end(int wait_status) {
  if (!WIFSIGNALED(wait_status)) return "ended with code " + std::to_string(WEXITSTATUS(wait_status));
  const int signal = WTERMSIG(wait_status);
  return "was ended by signal " + std::to_string(signal) + " (" + ::strsignal(signal) + ")";
}

void serve_requests(int socket) {
  for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGCHLD}) ::signal(signal, SIG_DFL);
  while (const std::optional<std::string> request = receive_frame(socket))
    if (!send_frame(socket, answer_in_child(*request, socket))) break;
  ::_exit(0);
}

}  // namespace moesaic::simulator
