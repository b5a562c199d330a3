#pragma once
// Device memory: one range of addresses that the host may not touch. Only while an Access lives may this process read
// or write it; a host access at another time ends the process with a message. It is not locked: the device's lock is
// held.

#include <cstddef>
#include <map>

namespace emulated_cuda {

class Arena {
 public:
  static constexpr std::size_t kCapacity = std::size_t{4} << 30;  // addresses; pages are taken when touched

  Arena();

  /// Filled with 0xFF (as f32 and bfloat16: NaN) and aligned to 256 bytes; null beyond the limit.
  void* allocate(std::size_t bytes);
  enum class Freed { yes, unknown_block, written_past_its_end };
  Freed release(void* data);

  bool contains(const void* address) const;
  /// Whether [data, data + bytes) lies within one live block.
  bool holds(const void* data, std::size_t bytes) const;

  void set_limit(std::size_t bytes) { limit_ = bytes; }
  std::size_t limit() const { return limit_; }
  std::size_t used() const { return used_; }

  class Access {
   public:
    explicit Access(Arena& arena);
    ~Access();
    Access(const Access&) = delete;
    Access& operator=(const Access&) = delete;

   private:
    Arena& arena_;
  };

 private:
  char* end() const;

  char* memory_;
  std::size_t limit_;
  std::size_t used_ = 0;
  std::size_t poisoned_ = 0;             // bytes from the start that are 0xFF wherever no block lives
  std::map<char*, std::size_t> blocks_;  // live ones; bytes as asked for
  int accesses_ = 0;
  std::size_t open_ = 0;  // bytes from the start that the present accesses may touch
};

}  // namespace emulated_cuda
