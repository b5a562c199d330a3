#pragma once
// Starts the executor's program, alone, as several processes or through mpirun, follows what it says and makes one
// clear error of whatever goes wrong. It knows no documents.

#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

namespace moesaic::cli {

struct LaunchRequest {
  int ranks = 1;
  /// "" chooses: mpirun for several ranks, none for one. "local": threads of one process. "tcp": processes of this
  /// machine. Else a command prefix that starts as many ranks, which join by MPI, or by TCP after the word "tcp".
  std::string launcher;
  std::string hosts;                   // a host file for mpirun; "" is this machine
  std::vector<std::string> arguments;  // of moesaic-executor
  std::function<void(double done, double total, const std::string& what)> on_progress = [](double, double,
                                                                                           const std::string&) {};
  std::function<void(const std::string& what)> on_warning = [](const std::string&) {};
};

/// The job says that it has found nothing (exit code 5): a result, and no failure.
class NothingFound : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Runs the job to its end. Throws InputError, DeviceError or NothingFound with the job's own message, or naming the
/// rank that died.
/// On Ctrl-C the job is ended, and every process of it is gone before this returns (DeviceError "interrupted").
void launch(const LaunchRequest& request);

/// A fresh folder under the system's folder for temporary files, removed with all it holds.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace moesaic::cli
