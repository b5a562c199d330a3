#include "core/schema/routing_draws.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

#include "core/schema/documents.h"
#include "core/schema/error.h"

namespace moesaic {
namespace {

using Counts = std::vector<int64_t>;

RoutingDocument drawn_document(const RoutingGenerator& generator) {
  RoutingDocument document;
  document.generator = generator;
  return document;
}

/// Rows of every rank with as many consecutive experts.
Counts rows_of_ranks(const Counts& of_experts, size_t ranks) {
  Counts rows(ranks, 0);
  for (size_t e = 0; e < of_experts.size(); ++e) rows[e * ranks / of_experts.size()] += of_experts[e];
  return rows;
}

// 256 experts, 8 a token, 16 ranks with 16 experts each: every rank has rows, however few tokens there are. One token
// of each of S sources makes 8 S rows: 8 S / 16 for every rank, where they are fewer than the experts.
TEST(RoutingDraws, FewUniformTokensGiveEveryRankWork) {
  for (const int64_t sources : {2, 4, 8, 16})
    for (const int64_t tokens : {1, 2, 3, 4, 7, 8, 16, 31}) {
      const Routing routing(drawn_document({}), 1, sources, 256, tokens * 8, 8);
      Counts all(256, 0);
      for (int64_t source = 0; source < sources; ++source)
        for (size_t e = 0; e < 256; ++e) all[e] += routing.counts(0, 0, source)[e];
      EXPECT_EQ(std::accumulate(all.begin(), all.end(), int64_t{0}), sources * tokens * 8);
      EXPECT_LE(*std::max_element(all.begin(), all.end()) - *std::min_element(all.begin(), all.end()), 1);
      const Counts ranks = rows_of_ranks(all, 16);
      EXPECT_GT(*std::min_element(ranks.begin(), ranks.end()), 0) << sources << " sources, " << tokens << " tokens";
      if (sources * tokens * 8 < 256 && sources * tokens % 2 == 0) {
        EXPECT_EQ(ranks, Counts(16, sources * tokens / 2)) << sources << " sources, " << tokens << " tokens";
      }
    }
}

TEST(RoutingDraws, TokensChooseDifferentExpertsAndAreCounted) {
  const RoutingGenerator generator{1.2, 5, true, 0.5, {}};
  const Routing routing(drawn_document(generator), 3, 2, 16, 40 * 4, 4);
  ASSERT_TRUE(routing.has_choices());
  for (int64_t layer = 0; layer < 3; ++layer)
    for (int64_t source = 0; source < 2; ++source) {
      const std::vector<int32_t> choices = routing.choices(7, layer, source);
      ASSERT_EQ(choices.size(), 160u);
      Counts counted(16, 0);
      for (size_t token = 0; token < 40; ++token) {
        const std::set<int32_t> own(choices.begin() + static_cast<long>(token * 4),
                                    choices.begin() + static_cast<long>(token * 4 + 4));
        EXPECT_EQ(own.size(), 4u);
        for (const int32_t expert : own) ++counted[static_cast<size_t>(expert)];
      }
      EXPECT_EQ(routing.counts(7, layer, source), counted);
    }
}

// Both choices of a token among 64 uniform experts follow with probability a. Where they do not, either still is the
// successor by chance, of 64 experts. A token's two choices count as one draw: the error is at most that of 20000.
TEST(RoutingDraws, AffinityIsHowOftenTheSuccessorFollows) {
  constexpr int kTokens = 20000;
  for (const double a : {0.2, 0.6, 1.0}) {
    const RoutingDraws draws({0, 3, true, a, {}}, 64);
    const std::vector<int32_t> first = draws.choices(0, 0, 0, kTokens, 2), second = draws.choices(0, 1, 0, kTokens, 2),
                               successor = draws.successors(0, 1);
    int followed = 0;
    for (size_t i = 0; i < 2 * kTokens; ++i) followed += second[i] == successor[static_cast<size_t>(first[i])] ? 1 : 0;
    const double expected = a + (1 - a) / 64, of = 2.0 * kTokens;
    EXPECT_NEAR(followed / of, expected, 5 * std::sqrt(expected * (1 - expected) / kTokens) + 1e-12) << a;
  }
}

TEST(RoutingDraws, SuccessorsAreAPermutationOfTheSamePopularity) {
  const RoutingDraws draws({1.1, 9, true, 0.3, {}}, 32);
  const std::vector<int32_t> successor = draws.successors(1, 2);
  const std::vector<double> own = draws.popularity(0, 1), next = draws.popularity(0, 2);
  EXPECT_EQ(std::set<int32_t>(successor.begin(), successor.end()).size(), 32u);
  for (size_t e = 0; e < 32; ++e) EXPECT_EQ(own[e], next[static_cast<size_t>(successor[e])]);
}

// As popularities follow each other, load is what it is without affinity: that of draws without repetition. 20000
// tokens: five standard deviations of a count are at most 5 sqrt(20000 / 4) = 354. Seen: 1 % off where an expert is
// chosen by half of the tokens, as the time of a race is not its number.
TEST(RoutingDraws, MeanLoadIsThatOfDraws) {
  for (const double affinity : {0.01, 0.7}) {
    const Routing routing(drawn_document({1, 2, true, affinity, {}}), 4, 1, 64, 20000 * 8, 8);
    const std::vector<double> expected = routing.mean_load(3);
    EXPECT_NEAR(std::accumulate(expected.begin(), expected.end(), 0.0), 160000, 1e-3);
    const Counts& drawn = routing.counts(0, 3, 0);
    for (size_t e = 0; e < 64; ++e)
      EXPECT_NEAR(static_cast<double>(drawn[e]), expected[e], 354 + 0.02 * expected[e]) << e;
  }
  EXPECT_EQ(inclusion({0.5, 0.25, 0.25}, 3), (std::vector<double>{1, 1, 1}));
}

// One expert of popularity 1 - 1e-9 and three that share the rest: all tokens take it and two of the others.
TEST(RoutingDraws, ExtremePopularitiesStillGiveDifferentExperts) {
  const RoutingDraws draws({16, 1, true, 1e-9, {}}, 256);
  const std::vector<int32_t> choices = draws.choices(0, 0, 0, 4, 200);
  for (int token = 0; token < 4; ++token)
    EXPECT_EQ(std::set<int32_t>(choices.begin() + token * 200, choices.begin() + token * 200 + 200).size(), 200u);
}

TEST(RoutingDraws, DependOnNothingButTheirArguments) {
  const RoutingGenerator generator{0.8, 4, true, 0.4, {0.9, 0.5}};
  const RoutingDraws first(generator, 16), second(generator, 16);
  const std::vector<int32_t> choices = first.choices(5, 2, 1, 10, 2);
  second.choices(9, 2, 0, 10, 2), second.popularity(2, 1);
  EXPECT_EQ(second.choices(5, 2, 1, 10, 2), choices);
  EXPECT_NE(first.choices(6, 2, 1, 10, 2), choices);
  EXPECT_NE(first.choices(5, 2, 0, 10, 2), choices);
}

// In any layer a token takes the successors of both of its choices in the layer before or, drawn anew among 1,024
// experts, of neither; of one by chance 150 * 2 * 1/1024 = 0.3 tokens do, none with this seed.
TEST(RoutingDraws, ChoicesGoFromSuccessorToSuccessor) {
  const RoutingDraws draws({0, 8, true, 0.5, {}}, 1024);
  int followed = 0, drawn = 0;
  for (int64_t layer = 1; layer < 6; ++layer) {
    const std::vector<int32_t> before = draws.choices(3, layer - 1, 0, 60, 2), own = draws.choices(3, layer, 0, 60, 2),
                               successor = draws.successors(layer - 1, layer);
    for (size_t token = 0; token < 60; ++token) {
      const int same = (own[2 * token] == successor[static_cast<size_t>(before[2 * token])]) +
                       (own[2 * token + 1] == successor[static_cast<size_t>(before[2 * token + 1])]);
      EXPECT_NE(same, 1);
      ++(same == 2 ? followed : drawn);
    }
  }
  EXPECT_NEAR(followed, 150, 5 * std::sqrt(75));  // of 300, each with probability 1/2
  EXPECT_EQ(followed + drawn, 300);
}

/// log of popularity over that without drift, up to a constant: minus its mean over experts, [experts].
std::vector<double> drifted(const RoutingDraws& draws, int64_t iteration) {
  std::vector<double> x = draws.popularity(iteration, 0);
  const std::vector<double> lasting = draws.lasting_popularity(0);
  double mean = 0;
  for (size_t e = 0; e < x.size(); ++e)
    x[e] = std::log(x[e] / lasting[e]), mean += x[e] / static_cast<double>(x.size());
  for (double& value : x) value -= mean;
  return x;
}

double product(const std::vector<double>& a, const std::vector<double>& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0) / static_cast<double>(a.size());
}

// 4096 experts: a mean of products of normal numbers has a standard deviation of at most sqrt(2 / 4096) = 0.022 times
// sigma^2; five of them bound the error. Correlation by n iterations is rho^n: 0.8^1 and 0.8^5 = 0.33.
TEST(RoutingDraws, DriftKeepsItsSpreadAndForgetsByRho) {
  const RoutingDraws draws({0.5, 7, false, 0, {0.8, 0.6}}, 4096);
  const double variance = 0.36, error = 5 * 0.022 * variance;
  const std::vector<double> early = drifted(draws, 10);
  for (const int64_t iteration : {0, 10, 11, 50})
    EXPECT_NEAR(product(drifted(draws, iteration), drifted(draws, iteration)), variance, error) << iteration;
  EXPECT_NEAR(product(early, drifted(draws, 11)), 0.8 * variance, error);
  EXPECT_NEAR(product(early, drifted(draws, 15)), std::pow(0.8, 5) * variance, error);
  EXPECT_NEAR(product(early, drifted(draws, 60)), 0, error);
}

TEST(RoutingDraws, WithoutSigmaNothingDrifts) {
  const Routing still(drawn_document({1, 2, false, 0, {0.5, 0}}), 1, 1, 8, 80, 2),
      plain(drawn_document({1, 2, false, 0, {}}), 1, 1, 8, 80),
      moved(drawn_document({1, 2, false, 0, {0.5, 1}}), 1, 1, 8, 80);
  EXPECT_EQ(still.counts(3, 0, 0), plain.counts(0, 0, 0));
  EXPECT_NE(moved.counts(3, 0, 0), moved.counts(4, 0, 0));
  EXPECT_EQ(moved.mean_load(0), Routing(drawn_document({1, 2, true, 0, {}}), 1, 1, 8, 80).mean_load(0));
}

TEST(RoutingDraws, GeneratorsAreReadAsTheyAreWritten) {
  for (const RoutingGenerator& generator :
       {RoutingGenerator{0.5, 1, true, 0.25, {}}, RoutingGenerator{0, 3, false, 0, {0.9, 0.5}}, RoutingGenerator{}}) {
    const RoutingDocument document = drawn_document(generator);
    EXPECT_EQ(read_routing(parse_json(write_routing(document).dump(), "again"), "again"), document);
  }
  EXPECT_EQ(write_routing(RoutingDocument())["generator"].dump(), R"({"zipf_exponent":0.0,"seed":0,"sampled":false})");
}

TEST(RoutingDraws, WhatCannotBeDrawnIsRefused) {
  const auto pointer_of = [](const std::string& more) -> std::string {
    try {
      read_routing(Json::parse(R"({"kind":"moesaic.routing/1","generator":{"zipf_exponent":1,)" + more + "}}"), "r");
    } catch (const InputError& error) {
      return error.pointer();
    }
    return "accepted";
  };
  EXPECT_EQ(pointer_of(R"("sampled":true,"affinity":1)"), "accepted");
  EXPECT_EQ(pointer_of(R"("affinity":0.5)"), "/generator/affinity");  // nothing is drawn
  EXPECT_EQ(pointer_of(R"("sampled":true,"affinity":1.5)"), "/generator/affinity");
  EXPECT_EQ(pointer_of(R"("drift":{"rho":1.1,"sigma":1})"), "/generator/drift/rho");
  EXPECT_EQ(pointer_of(R"("drift":{"rho":1})"), "/generator/drift/sigma");
  EXPECT_EQ(pointer_of(R"("drift":{"rho":1,"sigma":-1})"), "/generator/drift/sigma");
  EXPECT_THROW(Routing(drawn_document({1, 2, true, 0.5, {}}), 1, 1, 8, 80),
               InputError);  // how many experts a token takes
}

}  // namespace
}  // namespace moesaic
