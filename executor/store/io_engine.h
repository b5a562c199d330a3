#pragma once
// How transfers between memory and one open file are run in the background: by io_uring or by threads. An engine says
// what the kernel said; it does not retry, cut or order anything.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace moesaic::executor {

struct Transfer {
  bool is_write = false;
  int64_t offset = 0;
  std::byte* memory = nullptr;  // a write leaves it as it is
  int64_t bytes = 0;            // below 2 GiB
  int64_t tag = 0;              // comes back in the completion
};

struct Completion {
  int64_t tag = 0;
  int64_t result = 0;  // bytes moved, or a negative errno
};

/// For one thread. Its end drops what has not begun and waits for what has, so no memory is touched afterwards.
class IoEngine {
 public:
  virtual ~IoEngine() = default;

  virtual const char* name() const = 0;
  /// Never waits for the disk. At most `depth` transfers are between start and reap.
  virtual void start(const std::vector<Transfer>& transfers) = 0;
  /// Appends what has ended. With `wait` it sleeps until something has; it may still come back with nothing.
  virtual void reap(std::vector<Completion>& ended, bool wait) = 0;
};

/// pread and pwrite on `num_threads` threads, which take no signals.
std::unique_ptr<IoEngine> make_thread_engine(int fd, int num_threads);

struct UringAttempt {
  std::unique_ptr<IoEngine> engine;  // nullptr where the kernel, its seccomp filter or the build refuses
  std::string refusal;               // why
};

/// Makes a ring and reads from the file through it: some sandboxes permit the first and refuse the second.
UringAttempt try_uring_engine(int fd, int depth);

}  // namespace moesaic::executor
