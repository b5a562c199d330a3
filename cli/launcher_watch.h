#pragma once
// Notices a launcher that does not end though its ranks have: Open MPI 4.1.4's mpirun can lock up in its own
// PMIx_server_finalize() when a rank dies inside MPI_Init (1 of 235 such deaths). It ends nothing itself.

#include <sys/types.h>

#include <chrono>
#include <optional>

namespace moesaic::cli {

class LauncherWatch {
 public:
  explicit LauncherWatch(pid_t launcher) : launcher_(launcher) {}

  /// Asked from time to time: true when the launcher had children and for two seconds none of them has lived. Never
  /// true where /proc does not tell.
  bool outlives_its_ranks();

 private:
  pid_t launcher_;
  bool had_children_ = false;
  std::optional<std::chrono::steady_clock::time_point> alone_since_;
};

}  // namespace moesaic::cli
