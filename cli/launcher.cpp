#include "cli/launcher.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <regex>
#include <sstream>

#include "cli/launcher_watch.h"
#include "cli/session.h"
#include "cli/tcp_ranks.h"
#include "cli/waits.h"
#include "core/schema/error.h"
#include "core/schema/temporary_folder.h"

namespace moesaic::cli {
namespace {

/// The executor speaks in lines: "@progress DONE TOTAL WHAT", "@warning WHAT", "@wait ..." (waits.h), "@error EXIT_CODE
/// MESSAGE", and whoever has started it "@died RANK SIGNAL"; anything else is kept for a failure.
class Ear {
 public:
  explicit Ear(const LaunchRequest& request) : request_(request) {}

  void hear(const std::string& bytes) {
    pending_ += bytes;
    for (size_t end; (end = pending_.find('\n')) != std::string::npos; pending_.erase(0, end + 1))
      line(pending_.substr(0, end));
  }

  void launcher_hangs() { launcher_hangs_ = true; }

  /// Throws what the job's lines and its status amount to.
  [[noreturn]] void fail(int status) const {
    if (interrupted()) throw DeviceError("interrupted; every rank has been ended");
    if (error_code_ == kBadInput) throw InputError("", "", error_);
    if (error_code_ == kNothingFound) throw NothingFound(error_);
    if (!death_.empty()) throw DeviceError(death_ + waits_.at_death_of(dead_rank_) + "; the job has been ended");
    if (const std::string silent = waits_.timeout(); !silent.empty())
      throw DeviceError(silent + "; the job has been ended (--stall-timeout)");
    if (!error_.empty()) throw DeviceError(error_);
    if (launcher_hangs_)
      throw DeviceError(
          "every rank has ended, at least one before its time, but the launcher has not; the job has been ended");
    if (WIFSIGNALED(status))
      throw DeviceError(std::string("the executor died (") + strsignal(WTERMSIG(status)) + "); the job has been ended");
    throw DeviceError("the executor ended with exit code " + std::to_string(WEXITSTATUS(status)) +
                      (noise_.empty() ? "" : ":\n" + noise_));
  }

 private:
  void line(const std::string& text) {
    std::istringstream words(text);
    std::string tag;
    words >> tag;
    std::smatch match;
    static const std::regex signalled("process rank ([0-9]+) .*exited on signal ([0-9]{1,3})");
    if (tag == "@progress") {
      double done = 0, total = 0;
      std::string what;
      words >> done >> total;
      std::getline(words >> std::ws, what);
      request_.on_progress(done, total, what);
    } else if (tag == "@warning") {
      std::string what;
      std::getline(words >> std::ws, what);
      request_.on_warning(what);
    } else if (tag == "@wait") {
      if (const std::string what = waits_.hear(text); !what.empty()) request_.on_warning(what);
    } else if (tag == "@error") {
      int code = 0;
      std::string message;
      words >> code;
      std::getline(words >> std::ws, message);
      // A rank may hear of another's bad input, and speak, before that one does.
      const bool cause = code == kBadInput && error_code_ != kBadInput;
      if (error_.empty() || cause) error_ = message, error_code_ = code;
    } else if (tag == "@died") {
      int rank = 0, number = 0;
      words >> rank >> number;
      died(rank, number);
    } else if (std::regex_search(text, match, signalled)) {
      died(std::stoi(match[1].str()), std::stoi(match[2].str()));
    } else if (noise_lines_ < kNoiseLines && text.find_first_not_of("- \r") != std::string::npos) {
      noise_ += text + "\n";
      ++noise_lines_;
    }
  }

  void died(int rank, int number) {
    dead_rank_ = rank;
    death_ =
        "rank " + std::to_string(rank) + " died (signal " + std::to_string(number) + ", " + strsignal(number) + ")";
  }

  const LaunchRequest& request_;
  // mpirun may say pages; the first cause stands at their beginning.
  static constexpr int kNoiseLines = 12;
  std::string pending_, noise_, error_, death_;
  int noise_lines_ = 0;
  bool launcher_hangs_ = false;
  int error_code_ = 0, dead_rank_ = -1;
  Waits waits_;
};

/// "tcp" alone: the ranks are started here.
bool starts_ranks_here(const LaunchRequest& request) { return request.launcher == "tcp"; }

std::vector<std::string> command_of(const LaunchRequest& request) {
  std::vector<std::string> command;
  std::string transport = "mpi";
  const bool alone = request.launcher == "local" || (request.launcher.empty() && request.ranks == 1);
  if (!alone && request.launcher.empty()) {
    // Ranks may exceed cores, and cores are shared: nothing is bound, and MPI yields while it waits.
    command = {"mpirun",
               "--allow-run-as-root",
               "--oversubscribe",
               "--bind-to",
               "none",
               "--mca",
               "pml",
               "ob1",
               "--mca",
               "btl",
               "self,vader,tcp",
               "--mca",
               "mpi_yield_when_idle",
               "1",
               "-x",
               "OMP_NUM_THREADS",
               "-x",
               "OMP_WAIT_POLICY",
               "-np",
               std::to_string(request.ranks)};
    if (!request.hosts.empty()) command.insert(command.end(), {"--hostfile", request.hosts});
  } else if (!alone) {
    std::istringstream words(request.launcher);
    for (std::string word; words >> word;) command.push_back(word);
    if (!command.empty() && command.front() == "tcp") {
      command.erase(command.begin());
      transport = "tcp";
    }
  }
  command.push_back(executor_program());
  command.insert(command.end(), request.arguments.begin(), request.arguments.end());
  command.insert(command.end(), {"--transport", alone ? "local" : transport});
  return command;
}

[[noreturn]] void become(const LaunchRequest& request, const std::vector<std::string>& command, int output) {
  prctl(PR_SET_PDEATHSIG, SIGTERM);  // mpirun ends its ranks on that
  setpgid(0, 0);                     // so that the terminal's Ctrl-C reaches only us, and we end the whole group
  setenv("OMP_NUM_THREADS", "1", 1);
  setenv("OMP_WAIT_POLICY", "passive", 1);
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  if (starts_ranks_here(request)) _exit(run_tcp_ranks(command, request.ranks));
  execute(command);
}

/// Reads until the job closes its end, passing an interrupt on: first politely, then, after three seconds, to the whole
/// group. Ends a launcher that outlives its ranks.
void follow(pid_t child, int input, Ear& ear) {
  LauncherWatch watch(child);
  int waited_ms = 0;
  for (char buffer[4096];;) {
    pollfd waiting{input, POLLIN, 0};
    constexpr int kTickMs = 100;
    const int ready = poll(&waiting, 1, kTickMs);
    if (interrupted()) {
      if (waited_ms == 0) kill(-child, SIGTERM);
      if ((waited_ms += kTickMs) > 3000) kill(-child, SIGKILL);
    }
    if (ready == 0 && watch.outlives_its_ranks()) {
      ear.launcher_hangs();
      kill(-child, SIGKILL);
    }
    if (ready <= 0) continue;
    const ssize_t count = read(input, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return;
    ear.hear(std::string(buffer, static_cast<size_t>(count)));
  }
}

}  // namespace

void launch(const LaunchRequest& request) {
  const std::vector<std::string> command = command_of(request);
  int pipe_ends[2];
  if (pipe2(pipe_ends, O_CLOEXEC) != 0) throw DeviceError(std::string("cannot make a pipe: ") + std::strerror(errno));
  const pid_t child = fork();
  if (child < 0) throw DeviceError(std::string("cannot start a process: ") + std::strerror(errno));
  if (child == 0) become(request, command, pipe_ends[1]);
  close(pipe_ends[1]);
  Ear ear(request);
  follow(child, pipe_ends[0], ear);
  close(pipe_ends[0]);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  kill(-child, SIGKILL);  // whoever is left of the group
  if (interrupted() || !WIFEXITED(status) || WEXITSTATUS(status) != 0) ear.fail(status);
}

TemporaryFolder::TemporaryFolder() {
  std::string pattern = temporary_folder() + "/moesaic-XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr)
    throw InputError(pattern, "", std::string("cannot be made: ") + std::strerror(errno), "",
                     "set TMPDIR to a folder that can be written");
  path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace moesaic::cli
