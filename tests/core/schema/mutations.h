#pragma once
// Documents with mistakes at random places, for the fuzz tests of core/schema and core/plan.

#include <gtest/gtest.h>

#include <string>

#include "core/schema/error.h"
#include "core/schema/hash.h"

namespace moesaic::testing {

// Per document and run; other mutations with --gtest_shuffle --gtest_random_seed=N.
inline constexpr int kMutations = 1000;

inline uint64_t run_seed() {
  return splitmix64(static_cast<uint64_t>(::testing::UnitTest::GetInstance()->random_seed()));
}

/// One of: a flipped bit, a random byte, a cut, a removed or doubled stretch, a digit made huge.
inline std::string mutated(std::string text, uint64_t key) {
  const auto draw = [&key](size_t limit) { return static_cast<size_t>((key = splitmix64(key)) % limit); };
  const size_t at = draw(text.size());
  switch (draw(6)) {
    case 0:
      text[at] = static_cast<char>(text[at] ^ (1 << draw(8)));
      break;
    case 1:
      text[at] = static_cast<char>(draw(256));
      break;
    case 2:
      text.resize(at);
      break;
    case 3:
      text.erase(at, 1 + draw(20));
      break;
    case 4:
      text.insert(at, text.substr(draw(text.size()), 1 + draw(20)));
      break;
    default:
      if (const size_t digit = text.find_first_of("0123456789", at); digit != std::string::npos) {
        text.insert(digit, std::to_string(key).substr(0, 1 + draw(18)));
      }
  }
  return text;
}

/// `read` throws InputError at what it refuses; anything else that it throws fails the test.
template <typename Read>
bool accepts(const std::string& text, Read read) {
  try {
    read(text);
    return true;
  } catch (const InputError&) {
    return false;
  }
}

template <typename Read>
void expect_survival(const std::string& text, uint64_t seed, Read read) {
  ASSERT_TRUE(accepts(text, read));
  int accepted = 0;
  for (int i = 0; i < kMutations; ++i)
    accepted += accepts(mutated(text, splitmix64(seed ^ run_seed()) + static_cast<uint64_t>(i)), read) ? 1 : 0;
  EXPECT_GT(accepted, 0);           // for example a changed letter of a name
  EXPECT_LT(accepted, kMutations);  // for example a cut
}

}  // namespace moesaic::testing
