#include "cli/tcp_ranks.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <random>

#include "cli/session.h"

namespace moesaic::cli {
namespace {

using Clock = std::chrono::steady_clock;

/// Binds a free port of 127.0.0.1 and does not listen: while this is open nobody is given that port, and rank 0, which
/// asks for it (SO_REUSEADDR), gets it. 0: there is none.
int reserve_port() {
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(descriptor, reinterpret_cast<sockaddr*>(&address), length) != 0 ||
      getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &length) != 0)
    return 0;
  return ntohs(address.sin_port);
}

std::string random_word() {
  std::random_device bits;
  char word[17];
  std::snprintf(word, sizeof word, "%08x%08x", bits(), bits());
  return word;
}

class Ranks {
 public:
  void start(const std::vector<std::string>& command, int ranks, int port) {
    const std::string job = random_word();
    for (int rank = 0; rank < ranks; ++rank) {
      const pid_t child = fork();
      if (child < 0) return end(3);
      if (child > 0) {
        rank_of_[child] = rank;
        continue;
      }
      prctl(PR_SET_PDEATHSIG, SIGTERM);
      setenv("MOESAIC_RANK", std::to_string(rank).c_str(), 1);
      setenv("MOESAIC_SIZE", std::to_string(ranks).c_str(), 1);
      setenv("MOESAIC_ADDRESS", ("127.0.0.1:" + std::to_string(port)).c_str(), 1);
      setenv("MOESAIC_JOB", job.c_str(), 1);
      execute(command);
    }
  }

  /// Until all have ended.
  int follow() {
    while (!rank_of_.empty()) {
      int status = 0;
      const pid_t child = waitpid(-1, &status, WNOHANG);
      if (child > 0) {
        has_ended(child, status);
        continue;
      }
      if (interrupted() && !ending_) end(3);
      if (ending_ && !killed_ && Clock::now() >= patience_) {
        killed_ = true;
        signal_all(SIGKILL);
      }
      usleep(10000);
    }
    return exit_code_;
  }

 private:
  void has_ended(pid_t child, int status) {
    const int rank = rank_of_[child];
    rank_of_.erase(child);
    const int number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    if (number != 0 && !killed_ && !(ending_ && number == SIGTERM)) std::fprintf(stderr, "@died %d %d\n", rank, number);
    if (status != 0 && !ending_) end(number != 0 ? 128 + number : WEXITSTATUS(status));
  }

  void end(int exit_code) {
    ending_ = true;
    exit_code_ = exit_code;
    patience_ = Clock::now() + std::chrono::seconds(1);  // for those that wait to say for whom
    signal_all(SIGTERM);
  }

  void signal_all(int number) {
    for (const auto& [child, rank] : rank_of_) kill(child, number);
  }

  std::map<pid_t, int> rank_of_;  // of those that live
  bool ending_ = false, killed_ = false;
  Clock::time_point patience_;
  int exit_code_ = 0;
};

}  // namespace

int run_tcp_ranks(const std::vector<std::string>& command, int ranks) {
  const int port = reserve_port();
  if (port == 0) {
    std::fprintf(stderr, "@error 3 there is no free port on 127.0.0.1: %s\n", std::strerror(errno));
    return 3;
  }
  Ranks started;
  started.start(command, ranks, port);
  return started.follow();
}

void execute(const std::vector<std::string>& command) {
  std::vector<char*> words;
  for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  execvp(words[0], words.data());
  const char* const remedy = command[0] == "mpirun" ? "; install it (package openmpi-bin), or use --launcher tcp"
                                                    : "; install it, or use --launcher local";
  std::fprintf(stderr, "@error 3 cannot start %s: %s%s\n", words[0], std::strerror(errno), remedy);
  std::fflush(stderr);
  _exit(3);
}

}  // namespace moesaic::cli
