#pragma once
// A file whose reads and writes run in the background: cut into pieces that are in flight together, continued when
// short, retried when interrupted. It orders nothing: requests that overlap are the caller's to keep apart.

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "executor/store/file_handle.h"
#include "executor/store/io_engine.h"

namespace moesaic::executor {

enum class IoEngineChoice { automatic, io_uring, threads };

struct AsyncFileOptions {
  IoEngineChoice engine = IoEngineChoice::automatic;  // io_uring where the kernel permits it, else threads
  bool try_direct = true;
  int queue_depth = 32;                        // pieces in flight; more wait in a backlog
  int max_threads = 16;                        // of the thread engine, which has at most queue_depth
  int64_t piece_bytes = int64_t{1024} * 1024;  // large enough for the rate of a disk, small enough to share it
  /// Puts a layer around the engine, for example one that fails on purpose.
  std::function<std::unique_ptr<IoEngine>(std::unique_ptr<IoEngine>)> wrap_engine = {};
};

/// Names a request; a default-constructed one counts as ended.
struct Ticket {
  int64_t number = 0;
};

/// For one thread. The memory of a request belongs to the file until done() is true or throws, or the file is gone.
class AsyncFile {
 public:
  static std::unique_ptr<AsyncFile> create(const std::string& path, int64_t bytes, AsyncFileOptions options = {});
  static std::unique_ptr<AsyncFile> open(const std::string& path, AsyncFileOptions options = {});
  /// Drops what has not begun and waits for what has.
  ~AsyncFile() = default;
  AsyncFile(const AsyncFile&) = delete;
  AsyncFile& operator=(const AsyncFile&) = delete;

  /// Offset, memory and bytes are multiples of kFileAlignment within the file, whether or not it is direct.
  Ticket read(int64_t offset, void* to, int64_t bytes);
  Ticket write(int64_t offset, const void* from, int64_t bytes);

  /// Never blocks and makes progress on all requests. Of a failed request it throws, each time, a DeviceError with
  /// file, operation, bytes, offset and reason, once none of its pieces is in flight any more.
  bool done(Ticket ticket);
  void wait(Ticket ticket);
  /// Sleeps until a transfer has ended; at once where none is in flight. Ask done() afterwards.
  void wait_for_any() { progress(true); }
  /// Waits for all requests, then makes what was written durable. Throws as well when any request ever failed.
  void sync();

  const std::string& path() const { return file_.path(); }
  int64_t bytes() const { return file_.bytes(); }
  bool direct() const { return file_.direct(); }
  const char* engine() const { return engine_->name(); }

 private:
  struct Piece {
    int64_t ticket = 0;
    bool is_write = false;
    int64_t offset = 0;
    std::byte* memory = nullptr;
    int64_t bytes = 0;
    int retries = 0;  // in a row without progress
  };
  struct Request {
    int64_t pieces = 0;   // not ended
    std::string failure;  // the first one
  };

  AsyncFile(FileHandle file, AsyncFileOptions options);
  Ticket begin(bool is_write, int64_t offset, std::byte* memory, int64_t bytes);
  void progress(bool wait);
  void start_backlog();
  void end_piece(Piece piece, int64_t result);
  void retry(Piece piece, const std::string& reason);
  void fail(const Piece& piece, const std::string& reason);
  void retire(const Piece& piece);
  bool ended(Ticket ticket) const;

  FileHandle file_;
  AsyncFileOptions options_;
  int64_t last_ticket_ = 0;
  std::unordered_map<int64_t, Request> requests_;  // by ticket: those in flight and those that failed
  std::deque<Piece> backlog_;
  std::vector<Piece> slots_;  // [queue_depth]; the index is the tag of the transfer
  std::vector<int64_t> free_slots_;
  std::vector<Transfer> starting_;  // kept for its capacity, like the next
  std::vector<Completion> completions_;
  std::unique_ptr<IoEngine> engine_;  // last: ends before the descriptor that it uses
};

}  // namespace moesaic::executor
