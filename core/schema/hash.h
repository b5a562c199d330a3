#pragma once
// The two hash functions of the suite, both deterministic on every machine. Neither is cryptographic.

#include <cstdint>
#include <string>
#include <string_view>

namespace moesaic {

/// One output of SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014).
constexpr uint64_t splitmix64(uint64_t x) {
  x += 0x9E3779B97F4A7C15;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

/// FNV-1a, 64 bits (draft-eastlake-fnv).
constexpr uint64_t fnv1a64(std::string_view bytes) {
  uint64_t hash = 0xCBF29CE484222325;
  for (const char byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001B3;
  return hash;
}

/// 16 hexadecimal digits.
inline std::string hash_digits(uint64_t hash) {
  std::string digits(16, '0');
  for (auto digit = digits.rbegin(); hash != 0; hash /= 16) *digit++ = "0123456789abcdef"[hash % 16];
  return digits;
}

}  // namespace moesaic
