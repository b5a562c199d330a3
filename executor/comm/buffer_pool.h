#pragma once
// Receive buffers that a communicator keeps between operations, so that large reductions do not allocate each time.
// It is for one thread, and it never returns memory before its own end.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>
#include <vector>

namespace moesaic::executor {

class BufferPool {
  struct Free {
    void operator()(std::byte* bytes) const { ::operator delete[](bytes, kAlignment); }
  };
  struct Buffer {
    std::unique_ptr<std::byte[], Free> bytes;
    int64_t capacity = 0;
  };

 public:
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
  static constexpr std::align_val_t kAlignment{64};

  Buffer take(int64_t bytes);

  std::vector<Buffer> idle_;
  int64_t allocated_bytes_ = 0;
};

}  // namespace moesaic::executor
