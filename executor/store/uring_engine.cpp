// io_engine.h by io_uring: one ring per file, polled from user memory.

#include "executor/store/io_engine.h"

#ifdef MOESAIC_HAVE_URING

#include <liburing.h>

#include <cerrno>
#include <cstring>

#include "core/schema/error.h"
#include "executor/store/aligned_buffer.h"

namespace moesaic::executor {
namespace {

class UringEngine final : public IoEngine {
 public:
  explicit UringEngine(int fd) : fd_(fd) {}

  ~UringEngine() override {
    if (!ring_made_) return;
    // Entries that were not submitted die with the ring; the kernel still writes to the memory of the others.
    io_uring_cqe* cqe = nullptr;
    while (in_kernel_ > 0) {
      const int status = io_uring_wait_cqe(&ring_, &cqe);
      if (status == -EINTR) continue;
      if (status < 0) break;
      io_uring_cqe_seen(&ring_, cqe);
      --in_kernel_;
    }
    io_uring_queue_exit(&ring_);
  }

  /// 0 or a negative errno.
  int make_ring(int depth) {
    const int status = io_uring_queue_init(static_cast<unsigned>(depth), &ring_, 0);
    ring_made_ = status == 0;
    return status;
  }

  const char* name() const override { return "io_uring"; }

  void start(const std::vector<Transfer>& transfers) override {
    for (const Transfer& transfer : transfers) {
      io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
      MOESAIC_CHECK(sqe, "more transfers in flight than the ring was made for");
      const auto bytes = static_cast<unsigned>(transfer.bytes);
      const auto offset = static_cast<uint64_t>(transfer.offset);
      if (transfer.is_write) {
        io_uring_prep_write(sqe, fd_, transfer.memory, bytes, offset);
      } else {
        io_uring_prep_read(sqe, fd_, transfer.memory, bytes, offset);
      }
      io_uring_sqe_set_data64(sqe, static_cast<uint64_t>(transfer.tag));
    }
    submit();
  }

  void reap(std::vector<Completion>& ended, bool wait) override {
    if (io_uring_sq_ready(&ring_) > 0) submit();
    io_uring_cqe* cqe = nullptr;
    if (wait && in_kernel_ > 0) {
      const int status = io_uring_wait_cqe(&ring_, &cqe);
      if (status < 0 && status != -EINTR) fail("waiting", status);
    }
    while (in_kernel_ > 0 && io_uring_peek_cqe(&ring_, &cqe) == 0) {
      ended.push_back({static_cast<int64_t>(io_uring_cqe_get_data64(cqe)), cqe->res});
      io_uring_cqe_seen(&ring_, cqe);
      --in_kernel_;
    }
  }

 private:
  /// What the kernel does not take now stays in the ring for the next reap.
  void submit() {
    const int taken = io_uring_submit(&ring_);
    if (taken >= 0) {
      in_kernel_ += taken;
    } else if (taken != -EINTR && taken != -EAGAIN && taken != -EBUSY) {
      fail("submission", taken);
    }
  }

  [[noreturn]] static void fail(const char* what, int status) {
    throw DeviceError(std::string("io_uring: ") + what + " failed: " + std::strerror(-status));
  }

  int fd_;
  io_uring ring_{};
  bool ring_made_ = false;
  int64_t in_kernel_ = 0;  // submitted, completion not taken yet
};

}  // namespace

UringAttempt try_uring_engine(int fd, int depth) {
  auto engine = std::make_unique<UringEngine>(fd);
  if (const int status = engine->make_ring(depth); status < 0) {
    return {nullptr, std::string("io_uring_queue_init: ") + std::strerror(-status)};
  }
  const AlignedBuffer buffer(kFileAlignment);
  std::vector<Completion> ended;
  try {
    engine->start({{false, 0, buffer.data(), buffer.bytes(), 0}});
    while (ended.empty()) engine->reap(ended, true);
  } catch (const DeviceError& error) {
    return {nullptr, error.what()};
  }
  if (ended[0].result < 0) {
    return {nullptr, std::string("a read through io_uring: ") + std::strerror(static_cast<int>(-ended[0].result))};
  }
  return {std::move(engine), ""};
}

}  // namespace moesaic::executor

#else

namespace moesaic::executor {

UringAttempt try_uring_engine(int, int) { return {nullptr, "built without liburing"}; }

}  // namespace moesaic::executor

#endif
