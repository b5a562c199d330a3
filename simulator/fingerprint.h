#pragma once
// A short stand-in for a long list of numbers: lists that differ get different ones, but for a chance of 2^-128.

#include <bit>
#include <compare>
#include <concepts>
#include <cstdint>

#include "core/schema/hash.h"

namespace moesaic::simulator {

struct Fingerprint {
  uint64_t a = 0, b = 0x6D6F65;  // apart, so that the two halves are independent

  void add(std::integral auto number) { mix(static_cast<uint64_t>(number)); }
  void add(double number) { mix(std::bit_cast<uint64_t>(number)); }
  void add(const Fingerprint& other) { mix(other.a), mix(other.b); }
  /// For sets: the order of these does not matter.
  void add_unordered(const Fingerprint& other) {
    a += splitmix64(other.a ^ splitmix64(other.b));
    b += splitmix64(other.b + 0x736574 + splitmix64(other.a));
  }
  auto operator<=>(const Fingerprint&) const = default;

 private:
  void mix(uint64_t bits) {
    a = splitmix64(a ^ bits);
    b = splitmix64(b + splitmix64(bits));
  }
};

}  // namespace moesaic::simulator
