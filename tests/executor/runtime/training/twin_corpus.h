#pragma once
// The text that the twins of tests/golden train on.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/schema/hash.h"
#include "executor/runtime/training/corpus.h"

namespace moesaic::executor::testing {

/// By the rule in tests/golden/README.md; compares it with the hash that the twin has written.
inline Corpus twin_corpus(const nlohmann::json& golden) {
  std::vector<uint8_t> bytes;
  for (uint64_t i = 0; i < 16384; ++i) {
    const uint64_t letter = (splitmix64(i / 7) + i % 7 * (splitmix64(i / 49) % 5)) % 26;
    bytes.push_back(i % 11 == 10 ? ' ' : static_cast<uint8_t>('a' + letter));
  }
  EXPECT_EQ(fnv1a64(std::string(bytes.begin(), bytes.end())),
            std::stoull(golden["corpus"]["fnv1a64"].get<std::string>(), nullptr, 16));
  return Corpus(bytes);
}

}  // namespace moesaic::executor::testing
