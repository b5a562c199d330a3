// io_engine.h by a pool of threads that sleep in pread and pwrite.

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "executor/store/io_engine.h"

namespace moesaic::executor {
namespace {

/// Threads inherit the mask of their maker: signals stay with the threads that wait for them.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

class ThreadEngine final : public IoEngine {
 public:
  ThreadEngine(int fd, int num_threads) : fd_(fd) {
    const SignalsBlocked blocked;
    for (int i = 0; i < num_threads; ++i) threads_.emplace_back([this] { work(); });
  }

  ~ThreadEngine() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    begin_.notify_all();
  }

  const char* name() const override { return "threads"; }

  void start(const std::vector<Transfer>& transfers) override {
    {
      const std::lock_guard lock(mutex_);
      waiting_.insert(waiting_.end(), transfers.begin(), transfers.end());
    }
    for (size_t i = 0; i < transfers.size(); ++i) begin_.notify_one();
  }

  void reap(std::vector<Completion>& ended, bool wait) override {
    std::unique_lock lock(mutex_);
    if (wait) end_.wait(lock, [this] { return !ended_.empty(); });
    ended.insert(ended.end(), ended_.begin(), ended_.end());
    ended_.clear();
  }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      begin_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
      if (stopping_) return;
      const Transfer transfer = waiting_.front();
      waiting_.pop_front();
      lock.unlock();
      const int64_t result = run(transfer);
      lock.lock();
      ended_.push_back({transfer.tag, result});
      end_.notify_one();
    }
  }

  int64_t run(const Transfer& transfer) const {
    const auto bytes = static_cast<size_t>(transfer.bytes);
    const ssize_t moved = transfer.is_write ? ::pwrite(fd_, transfer.memory, bytes, transfer.offset)
                                            : ::pread(fd_, transfer.memory, bytes, transfer.offset);
    return moved < 0 ? -errno : moved;
  }

  int fd_;
  std::mutex mutex_;  // guards what the three lines below it hold
  std::deque<Transfer> waiting_;
  std::vector<Completion> ended_;
  bool stopping_ = false;
  std::condition_variable begin_;
  std::condition_variable end_;
  std::vector<std::jthread> threads_;  // last: joined before what they use goes away
};

}  // namespace

std::unique_ptr<IoEngine> make_thread_engine(int fd, int num_threads) {
  return std::make_unique<ThreadEngine>(fd, num_threads);
}

}  // namespace moesaic::executor
