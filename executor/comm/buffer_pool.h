#pragma once
// Buffers that are kept between operations, so that large ones do not allocate each time: what a communicator receives
// into, what a device copies to and from. It is for one thread, and it returns memory only when a larger buffer takes
// its place or at its own end.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace moesaic::executor {

class BufferPool {
  struct Buffer {
    std::shared_ptr<std::byte> bytes;
    int64_t capacity = 0;
  };

 public:
  /// Where memory comes from, aligned to 64 bytes.
  struct Memory {
    std::function<void*(int64_t bytes)> allocate;
    std::function<void(void*)> release;
  };

  /// Plain memory, or that of `memory`.
  BufferPool();
  explicit BufferPool(Memory memory) : memory_(std::move(memory)) {}
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;

  /// A buffer on loan, aligned to 64 bytes; it goes back to the pool when it is destroyed. The pool must outlive it.
  class Loan {
   public:
    Loan(BufferPool& pool, int64_t bytes) : pool_(pool), buffer_(pool.take(bytes)) {}
    ~Loan() { pool_.idle_.push_back(std::move(buffer_)); }
    Loan(const Loan&) = delete;
    Loan& operator=(const Loan&) = delete;
    std::byte* data() const { return buffer_.bytes.get(); }

   private:
    BufferPool& pool_;
    Buffer buffer_;
  };

  /// What the pool holds, on loan or idle: no more than the largest set of loans that there ever was at one time.
  int64_t allocated_bytes() const { return allocated_bytes_; }

 private:
  Buffer take(int64_t bytes);

  Memory memory_;
  std::vector<Buffer> idle_;
  int64_t allocated_bytes_ = 0;
};

}  // namespace moesaic::executor
