#include "executor/store/async_file.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/schema/error.h"
#include "executor/store/aligned_buffer.h"

namespace moesaic::executor {
namespace {

/// Of one piece in a row, for EINTR, EAGAIN and writes of nothing. An interrupted disk comes back within a few; a
/// limit turns one that does not into an error instead of a job that hangs.
constexpr int kMaxRetries = 1000;

constexpr int64_t kMaxPieceBytes = int64_t{1} << 30;  // the kernel moves less than 2 GiB in one call

std::unique_ptr<IoEngine> make_engine(const FileHandle& file, const AsyncFileOptions& options) {
  if (options.engine != IoEngineChoice::threads) {
    UringAttempt attempt = try_uring_engine(file.fd(), options.queue_depth);
    if (attempt.engine) return std::move(attempt.engine);
    if (options.engine == IoEngineChoice::io_uring) {
      throw DeviceError(file.path() + ": io_uring is not available: " + attempt.refusal);
    }
  }
  return make_thread_engine(file.fd(), std::min(options.queue_depth, options.max_threads));
}

}  // namespace

std::unique_ptr<AsyncFile> AsyncFile::create(const std::string& path, int64_t bytes, AsyncFileOptions options) {
  FileHandle file = FileHandle::create(path, bytes, options.try_direct);
  return std::unique_ptr<AsyncFile>(new AsyncFile(std::move(file), std::move(options)));
}

std::unique_ptr<AsyncFile> AsyncFile::open(const std::string& path, AsyncFileOptions options) {
  FileHandle file = FileHandle::open(path, options.try_direct);
  return std::unique_ptr<AsyncFile>(new AsyncFile(std::move(file), std::move(options)));
}

AsyncFile::AsyncFile(FileHandle file, AsyncFileOptions options) : file_(std::move(file)), options_(std::move(options)) {
  MOESAIC_CHECK(options_.queue_depth > 0 && options_.max_threads > 0, "a file needs at least one transfer in flight");
  MOESAIC_CHECK(
      options_.piece_bytes > 0 && options_.piece_bytes % kFileAlignment == 0 && options_.piece_bytes <= kMaxPieceBytes,
      "pieces are multiples of 4096 bytes, at most 1 GiB");
  slots_.resize(static_cast<size_t>(options_.queue_depth));
  for (int64_t slot = 0; slot < options_.queue_depth; ++slot) free_slots_.push_back(slot);
  engine_ = make_engine(file_, options_);
  if (options_.wrap_engine) engine_ = options_.wrap_engine(std::move(engine_));
}

Ticket AsyncFile::read(int64_t offset, void* to, int64_t bytes) {
  return begin(false, offset, static_cast<std::byte*>(to), bytes);
}

Ticket AsyncFile::write(int64_t offset, const void* from, int64_t bytes) {
  return begin(true, offset, static_cast<std::byte*>(const_cast<void*>(from)), bytes);
}

Ticket AsyncFile::begin(bool is_write, int64_t offset, std::byte* memory, int64_t bytes) {
  MOESAIC_CHECK(offset % kFileAlignment == 0 && bytes % kFileAlignment == 0 &&
                    reinterpret_cast<uintptr_t>(memory) % kFileAlignment == 0,
                path() + ": offset " + std::to_string(offset) + ", memory and " + std::to_string(bytes) +
                    " bytes must be multiples of 4096");
  MOESAIC_CHECK(offset >= 0 && bytes > 0 && bytes <= this->bytes() && offset <= this->bytes() - bytes,
                path() + ": " + std::to_string(bytes) + " bytes at offset " + std::to_string(offset) +
                    " are not within its " + std::to_string(this->bytes()) + " bytes");
  const Ticket ticket{++last_ticket_};
  Request& request = requests_[ticket.number];
  for (int64_t begun = 0; begun < bytes; begun += options_.piece_bytes) {
    const int64_t length = std::min(options_.piece_bytes, bytes - begun);
    backlog_.push_back({ticket.number, is_write, offset + begun, memory + begun, length, 0});
    ++request.pieces;
  }
  start_backlog();
  return ticket;
}

bool AsyncFile::done(Ticket ticket) {
  progress(false);
  return ended(ticket);
}

void AsyncFile::wait(Ticket ticket) {
  while (!ended(ticket)) progress(true);
}

void AsyncFile::sync() {
  while (!backlog_.empty() || free_slots_.size() < slots_.size()) progress(true);
  if (!requests_.empty()) throw DeviceError(requests_.begin()->second.failure);
  int status = 0;
  do {
    status = ::fdatasync(file_.fd());
  } while (status != 0 && errno == EINTR);
  if (status != 0) file_.fail("fdatasync", errno);
}

bool AsyncFile::ended(Ticket ticket) const {
  MOESAIC_CHECK(ticket.number >= 0 && ticket.number <= last_ticket_, path() + ": a ticket of another file");
  const auto found = requests_.find(ticket.number);
  if (found == requests_.end()) return true;
  if (found->second.pieces > 0) return false;
  throw DeviceError(found->second.failure);
}

void AsyncFile::progress(bool wait) {
  start_backlog();
  if (free_slots_.size() == slots_.size()) return;
  completions_.clear();
  engine_->reap(completions_, wait);
  for (const Completion& completion : completions_) {
    free_slots_.push_back(completion.tag);
    end_piece(slots_[static_cast<size_t>(completion.tag)], completion.result);
  }
  start_backlog();
}

void AsyncFile::start_backlog() {
  starting_.clear();
  while (!backlog_.empty() && !free_slots_.empty()) {
    const Piece piece = backlog_.front();
    backlog_.pop_front();
    if (!requests_.at(piece.ticket).failure.empty()) {
      retire(piece);
      continue;
    }
    const int64_t slot = free_slots_.back();
    free_slots_.pop_back();
    slots_[static_cast<size_t>(slot)] = piece;
    starting_.push_back({piece.is_write, piece.offset, piece.memory, piece.bytes, slot});
  }
  if (!starting_.empty()) engine_->start(starting_);
}

void AsyncFile::end_piece(Piece piece, int64_t result) {
  if (result == piece.bytes) return retire(piece);
  if (result == -EINTR || result == -EAGAIN) return retry(piece, std::strerror(static_cast<int>(-result)));
  if (result < 0) return fail(piece, std::strerror(static_cast<int>(-result)));
  // Direct access goes on at an aligned place only: what is left of the last block is moved again.
  const int64_t moved = direct() ? result / kFileAlignment * kFileAlignment : result;
  if (moved == 0 && !piece.is_write) return fail(piece, "the file ends before");
  if (moved == 0) return retry(piece, "nothing was written");
  piece.offset += moved;
  piece.memory += moved;
  piece.bytes -= moved;
  piece.retries = 0;
  backlog_.push_front(piece);
}

void AsyncFile::retry(Piece piece, const std::string& reason) {
  if (++piece.retries > kMaxRetries) return fail(piece, reason + ", " + std::to_string(kMaxRetries) + " times");
  backlog_.push_front(piece);
}

void AsyncFile::fail(const Piece& piece, const std::string& reason) {
  std::string& failure = requests_.at(piece.ticket).failure;
  if (failure.empty()) {
    failure = path() + ": " + (piece.is_write ? "writing " : "reading ") + std::to_string(piece.bytes) +
              " bytes at offset " + std::to_string(piece.offset) + " failed: " + reason;
    if (piece.is_write) failure += " (" + std::to_string(file_.free_bytes()) + " bytes free)";
  }
  retire(piece);
}

void AsyncFile::retire(const Piece& piece) {
  const auto found = requests_.find(piece.ticket);
  if (--found->second.pieces == 0 && found->second.failure.empty()) requests_.erase(found);
}

}  // namespace moesaic::executor
