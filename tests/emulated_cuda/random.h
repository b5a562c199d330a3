#pragma once
// A small generator whose numbers are the same everywhere (splitmix64, Steele et al. 2014).

#include <cstdint>

namespace emulated_cuda {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = state_ += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  unsigned below(unsigned limit) { return static_cast<unsigned>(next() % limit); }
  bool coin() { return (next() & 1u) != 0; }

 private:
  uint64_t state_;
};

}  // namespace emulated_cuda
