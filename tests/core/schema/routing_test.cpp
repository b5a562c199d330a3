#include "core/schema/routing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/schema/error.h"
#include "core/schema/hash.h"

namespace moesaic {
namespace {

using Counts = std::vector<int64_t>;

RoutingDocument zipf(double exponent, bool sampled = false, uint64_t seed = 1) {
  RoutingDocument document;
  document.generator = {exponent, seed, sampled};
  return document;
}

RoutingDocument recorded() {  // 2 iterations, 1 layer, 2 sources, 3 experts
  RoutingDocument document;
  document.counts = {6, 0, 0, 1, 2, 3, 0, 3, 3, 2, 2, 2};
  document.num_iterations = 2, document.num_moe_layers = 1, document.num_sources = 2, document.num_experts = 3;
  return document;
}

// First outputs of SplitMix64 seeded with 0 and 1234567, from the reference implementation (prng.di.unimi.it).
TEST(Hash, AgreesWithPublishedVectors) {
  EXPECT_EQ(splitmix64(0), 0xE220A8397B1DCDAFu);
  EXPECT_EQ(splitmix64(1234567), 6457827717110365317u);
  EXPECT_EQ(fnv1a64(""), 0xCBF29CE484222325u);
  EXPECT_EQ(fnv1a64("a"), 0xAF63DC4C8601EC8Cu);
  EXPECT_EQ(fnv1a64("foobar"), 0x85944171F73967E8u);
}

// 10 rows over 4 experts: 2 each and 2 left; ties go round by source, so two sources fill all four.
// 3 steps of 2 microbatches, 1 layer, 1 source, 2 experts; step 1 has iterations 2 and 3.
TEST(Routing, ARecordingCanBeginAtAnyStep) {
  RoutingDocument recorded;
  recorded.num_iterations = 6, recorded.num_moe_layers = recorded.num_sources = 1, recorded.num_experts = 2;
  recorded.counts = {0, 1, 10, 11, 20, 21, 30, 31, 40, 41, 50, 51};
  EXPECT_EQ(beginning_at(recorded, 1, 2).counts, (std::vector<int64_t>{20, 21, 30, 31, 40, 41, 50, 51, 0, 1, 10, 11}));
  EXPECT_THROW(beginning_at(recorded, 3, 2), InvariantError);
  EXPECT_EQ(beginning_at(RoutingDocument(), 1, 2), RoutingDocument());
}

TEST(Routing, UniformExpectationSpreadsTheRemainder) {
  const Routing routing(zipf(0), 3, 2, 4, 10);
  EXPECT_EQ(routing.counts(0, 0, 0), (Counts{3, 3, 2, 2}));
  EXPECT_EQ(routing.counts(0, 0, 1), (Counts{2, 2, 3, 3}));
  EXPECT_EQ(routing.mean_load(0), (std::vector<double>{5, 5, 5, 5}));
}

// Zipf 1 over 4 experts: weights 1, 1/2, 1/3, 1/4 = 12, 6, 4, 3 of 25. 25 rows are split exactly so, in an order that
// the layer shuffles.
TEST(Routing, ZipfExpectationHasThePopularitiesOfTheFormula) {
  const Routing routing(zipf(1), 8, 1, 4, 25);
  bool differs = false;
  for (int64_t layer = 0; layer < 8; ++layer) {
    Counts sorted = routing.counts(5, layer, 0);
    differs |= sorted != routing.counts(5, 0, 0);
    std::sort(sorted.rbegin(), sorted.rend());
    EXPECT_EQ(sorted, (Counts{12, 6, 4, 3}));
  }
  EXPECT_TRUE(differs);
  EXPECT_EQ(routing.counts(0, 2, 0), routing.counts(99, 2, 0));
}

TEST(Routing, EveryRowSumsToTheAssignments) {
  for (const bool sampled : {false, true}) {
    for (const double exponent : {0.0, 0.8, 1.2, 16.0}) {
      for (const int64_t assignments : {0, 1, 7, 1000}) {
        const Routing routing(zipf(exponent, sampled), 2, 3, 5, assignments);
        for (int64_t source = 0; source < 3; ++source) {
          const Counts& row = routing.counts(4, 1, source);
          EXPECT_EQ(std::accumulate(row.begin(), row.end(), int64_t{0}), assignments);
          EXPECT_GE(*std::min_element(row.begin(), row.end()), 0);
        }
      }
    }
  }
}

// 100,000 draws with p: the standard deviation of a count is sqrt(n p (1 - p)) < 159; five of them bound the error.
TEST(Routing, SamplesFollowTheExpectation) {
  const Routing sampled(zipf(1.2, true), 1, 1, 16, 100000), expected(zipf(1.2), 1, 1, 16, 100000);
  const Counts& drawn = sampled.counts(0, 0, 0);
  for (size_t expert = 0; expert < 16; ++expert) {
    EXPECT_NEAR(static_cast<double>(drawn[expert]), static_cast<double>(expected.counts(0, 0, 0)[expert]), 5 * 159);
    EXPECT_NEAR(sampled.mean_load(0)[expert], static_cast<double>(expected.counts(0, 0, 0)[expert]), 1);
  }
}

TEST(Routing, SamplesDependOnEveryIndexAndOnNothingElse) {
  const Routing first(zipf(0.8, true), 2, 2, 8, 64), second(zipf(0.8, true), 2, 2, 8, 64),
      other(zipf(0.8, true, 2), 2, 2, 8, 64);
  const Counts row = first.counts(3, 1, 1);
  second.counts(0, 0, 0);  // another order of questions
  EXPECT_EQ(second.counts(3, 1, 1), row);
  EXPECT_NE(first.counts(4, 1, 1), row);
  EXPECT_NE(first.counts(3, 0, 1), row);
  EXPECT_NE(first.counts(3, 1, 0), row);
  EXPECT_NE(other.counts(3, 1, 1), row);
}

TEST(Routing, ReferencesStayValid) {
  const Routing routing(zipf(0.8, true), 2, 2, 8, 64);
  const Counts& row = routing.counts(0, 0, 0);
  const Counts copy = row;
  for (int64_t iteration = 1; iteration < 200; ++iteration) routing.counts(iteration, 1, 1);
  EXPECT_EQ(row, copy);
}

TEST(Routing, RecordedCountsAreGivenBackAndWrapAround) {
  const Routing routing(recorded(), 1, 2, 3, 6);
  EXPECT_EQ(routing.counts(0, 0, 0), (Counts{6, 0, 0}));
  EXPECT_EQ(routing.counts(0, 0, 1), (Counts{1, 2, 3}));
  EXPECT_EQ(routing.counts(3, 0, 0), (Counts{0, 3, 3}));
  EXPECT_EQ(routing.mean_load(0), (std::vector<double>{4.5, 3.5, 4}));  // (7 2 3 + 2 5 5) / 2
}

// Twice the batch doubles the rows; 4 sources instead of 2 share the summed row 7 2 3 of 12: 12 assignments each give 7
// 2 3 again.
TEST(Routing, RecordedCountsAreRescaled) {
  EXPECT_EQ(Routing(recorded(), 1, 2, 3, 12).counts(0, 0, 1), (Counts{2, 4, 6}));
  EXPECT_EQ(Routing(recorded(), 1, 4, 3, 12).counts(0, 0, 3), (Counts{7, 2, 3}));
}

TEST(Routing, RefusesRecordingsOfAnotherModel) {
  EXPECT_THROW(Routing(recorded(), 2, 2, 3, 6), InputError);
  EXPECT_THROW(Routing(recorded(), 1, 2, 4, 6), InputError);
  EXPECT_THROW(Routing(recorded(), 1, 2, 3, 6).counts(0, 1, 0), InvariantError);
}

}  // namespace
}  // namespace moesaic
