#include "core/schema/routing_choices.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/schema/documents.h"
#include "core/schema/error.h"

namespace moesaic {
namespace {

constexpr int32_t kDropped = RoutingChoices::kDropped;

/// 2 iterations of 2 sources with 1, 2 and 0, 1 tokens; 2 layers of 4 experts; 2 experts a token.
RoutingChoices four_tokens() {
  return {.top_k = 2,
          .tokens = {1, 2, 0, 1},
          .experts = {0, 3, 1, 2, /**/ 3, 1, 1, 0, /**/ 3, 0, kDropped, 1, /**/ 2, 3, 0, 1},
          .scores = {}};
}

RoutingDocument document_of(const RoutingChoices& choices) {
  RoutingDocument document;
  document.name = "recorded";
  document.num_iterations = 2, document.num_moe_layers = 2, document.num_sources = 2, document.num_experts = 4;
  document.counts = counts_of(choices, {2, 2, 2, 4});
  document.choices = std::make_shared<RoutingChoices>(choices);
  return document;
}

Json document_with(const std::string& choices, const std::string& counts = "") {
  return Json::parse(R"({"kind":"moesaic.routing/1","choices":)" + choices +
                     (counts.empty() ? "" : R"(,"counts":)" + counts) + "}");
}

// Token 0 is source 0's, tokens 1 and 2 source 1's; source 0 has none in iteration 1. A dropped choice counts nowhere.
TEST(RoutingChoices, CountsAreThoseOfTheTokensOfEachSource) {
  EXPECT_EQ(counts_of(four_tokens(), {2, 2, 2, 4}), (std::vector<int64_t>{1, 0, 0, 1, /**/ 1, 1, 0, 2,     // layer 0
                                                                          0, 1, 1, 0, /**/ 1, 2, 0, 0,     // layer 1
                                                                          0, 0, 0, 0, /**/ 0, 0, 1, 1,     // layer 0
                                                                          0, 0, 0, 0, /**/ 1, 1, 0, 0}));  // layer 1
  EXPECT_EQ(first_tokens(four_tokens()), (std::vector<int64_t>{0, 1, 3, 3, 4}));
}

TEST(RoutingChoices, ARecordingBeginsAtAnyIteration) {
  const RoutingDocument whole = document_of(four_tokens());
  RoutingChoices second{.top_k = 2, .tokens = {0, 1}, .experts = {2, 3, 0, 1}, .scores = {}};
  EXPECT_EQ(*without_first(whole, 1).choices, second);
  EXPECT_EQ(without_first(whole, 1).num_iterations, 1);
  const RoutingDocument turned = beginning_at(whole, 1, 1);
  EXPECT_EQ(turned.choices->tokens, (std::vector<int64_t>{0, 1, 1, 2}));
  EXPECT_EQ(turned.counts, counts_of(*turned.choices, {2, 2, 2, 4}));
  EXPECT_EQ(beginning_at(turned, 1, 1), whole);
  EXPECT_THROW(without_first(whole, 2), InvariantError);
}

TEST(RoutingChoices, AreReadAsTheyAreWritten) {
  RoutingChoices choices = four_tokens();
  const RoutingDocument without = document_of(choices);
  choices.scores = {0.7F, 0.1F, 0.5F, 0.5F, 1, 0, 1e-30F, 3e38F, -2, 0.3F, 0, 1, 0.25F, 0.75F, 0.6F, 0.4F};
  const RoutingDocument with = document_of(choices);
  for (const RoutingDocument& document : {without, with}) {
    const Json json = write_routing(document);
    EXPECT_EQ(read_routing(parse_json(json.dump(), "again"), "again"), document);
    Json alone = json;  // counts follow
    alone.erase("counts");
    EXPECT_EQ(read_routing(alone, "alone"), document);
  }
  EXPECT_EQ(write_routing(without)["choices"].dump(),
            R"({"num_experts":4,"tokens":[[1,2],[0,1]],)"
            R"("experts":[[[0,3],[1,2]],[[3,1],[1,0]],[[3,0],[-1,1]],[[2,3],[0,1]]]})");
  EXPECT_EQ(write_routing(with)["choices"]["scores"][0].dump(), "[[0.7,0.1],[0.5,0.5]]");
  EXPECT_FALSE(without == with);
}

struct Refusal {
  std::string pointer, text;
};
Refusal refusal_of(const std::string& choices, const std::string& counts = "") {
  try {
    read_routing(document_with(choices, counts), "r.json");
  } catch (const InputError& error) {
    return {error.pointer(), error.what()};
  }
  return {"accepted", ""};
}

TEST(RoutingChoices, WhatIsNoTraceIsRefusedWhereItStands) {
  const auto pointer_of = [](const std::string& tokens, const std::string& experts) {
    return refusal_of(R"({"num_experts":4,"tokens":)" + tokens + R"(,"experts":)" + experts + "}").pointer;
  };
  EXPECT_EQ(pointer_of("[[1]]", "[[[0,3],[1,2]]]"), "accepted");
  EXPECT_EQ(pointer_of("[[1]]", "[[[0,4],[1,2]]]"), "/choices/experts/0/0/1");   // expert out of range
  EXPECT_EQ(pointer_of("[[1]]", "[[[0,-2],[1,2]]]"), "/choices/experts/0/0/1");  // below dropped
  EXPECT_EQ(pointer_of("[[1]]", "[[[0,3],[2,2]]]"), "/choices/experts/0/1");     // twice
  EXPECT_EQ(pointer_of("[[1]]", "[[[0,3],[-1,-1]]]"), "/choices/experts");       // a layer without rows
  EXPECT_EQ(pointer_of("[[1]]", "[[[0,3],[1]]]"), "/choices/experts/0/1");       // ragged top_k
  EXPECT_EQ(pointer_of("[[1]]", "[[[0,3],[]]]"), "/choices/experts/0/1");
  EXPECT_EQ(pointer_of("[[2]]", "[[[0],[1]],[[0]]]"), "/choices/experts/1");  // ragged layers
  EXPECT_EQ(pointer_of("[[2]]", "[[[0],[1]]]"), "/choices/experts");          // not as many tokens
  EXPECT_EQ(pointer_of("[[1],[0]]", "[[[0],[1]]]"), "/choices/experts");      // an iteration without rows
  EXPECT_EQ(pointer_of("[[1,0],[0]]", "[[[0],[1]]]"), "/choices/tokens/1");
  EXPECT_EQ(pointer_of("[[-1]]", "[]"), "/choices/tokens/0/0");
  EXPECT_EQ(pointer_of("[]", "[]"), "/choices/tokens");
  EXPECT_EQ(pointer_of("[[0]]", "[]"), "/choices/experts");
  EXPECT_EQ(pointer_of("[[1]]", "[[0]]"), "/choices/experts/0/0");
}

TEST(RoutingChoices, ScoresHaveTheShapeOfExperts) {
  const auto pointer_of = [](const std::string& scores) {
    return refusal_of(R"({"num_experts":4,"tokens":[[1]],"experts":[[[0,3]]],"scores":)" + scores + "}").pointer;
  };
  EXPECT_EQ(pointer_of("[[[0.5,-1]]]"), "accepted");
  EXPECT_EQ(pointer_of("[[[0.5]]]"), "/choices/scores/0/0");
  EXPECT_EQ(pointer_of("[[[0.5,1],[0.5,1]]]"), "/choices/scores/0");
  EXPECT_EQ(pointer_of("[]"), "/choices/scores");
  EXPECT_EQ(pointer_of("[[[0.5,1e39]]]"), "/choices/scores/0/0/1");
}

TEST(RoutingChoices, CountsBesideThemHaveToAgree) {
  const std::string choices = R"({"num_experts":3,"tokens":[[1,1]],"experts":[[[0,2]],[[1,2]]]})";
  EXPECT_EQ(refusal_of(choices, "[[[[1,0,1],[0,1,1]]]]").pointer, "accepted");
  const Refusal wrong = refusal_of(choices, "[[[[1,0,1],[0,1,2]]]]");
  EXPECT_EQ(wrong.pointer, "/counts/0/0/1/2");
  EXPECT_EQ(wrong.text,
            "r.json /counts/0/0/1/2: is 2; expected 1, as many as the choices; leave counts out: they follow from "
            "choices");
  EXPECT_EQ(refusal_of(choices, "[[[[1,0],[0,1]]]]").pointer, "/choices/num_experts");
  EXPECT_EQ(refusal_of(choices, "[[[[1,0,1]]]]").pointer, "/choices/tokens/0");
  EXPECT_EQ(refusal_of(choices, "[[[[1,0,1],[0,1,1]],[[1,0,1],[0,1,1]]]]").pointer, "/choices/experts/0");
}

// 65536 experts, 3000 sources without tokens but one: 65536 * 3000 > 2^27 counts would follow from a short file.
TEST(RoutingChoices, ShortFilesMakeNoLongCounts) {
  std::string tokens = "[[1";
  for (int source = 1; source < 3000; ++source) tokens += ",0";
  EXPECT_EQ(refusal_of(R"({"num_experts":65536,"tokens":)" + tokens + R"(]],"experts":[[[0]]]})").pointer, "/choices");
}

TEST(RoutingForm, IsWhatTheDocumentSays) {
  EXPECT_EQ(form_of(RoutingDocument()), RoutingForm::generator);
  RoutingDocument document = document_of(four_tokens());
  EXPECT_EQ(form_of(document), RoutingForm::choices);
  RoutingChoices scored = four_tokens();
  scored.scores.assign(scored.experts.size(), 0.5F);
  EXPECT_EQ(form_of(document_of(scored)), RoutingForm::choices_with_scores);
  document.choices = nullptr;
  EXPECT_EQ(form_of(document), RoutingForm::counts_by_source);
  document.num_sources = 1;
  EXPECT_EQ(form_of(document), RoutingForm::counts);
}

TEST(RoutingForm, LessThanAPolicyReadsIsRefused) {
  RoutingDocument document = document_of(four_tokens());
  for (const RoutingForm form :
       {RoutingForm::generator, RoutingForm::counts, RoutingForm::counts_by_source, RoutingForm::choices})
    EXPECT_NO_THROW(require_form(document, form, "the test"));
  try {
    require_form(document, RoutingForm::choices_with_scores, "the test");
    FAIL();
  } catch (const InputError& error) {
    EXPECT_STREQ(error.what(),
                 "routing recorded: has the form choices, from which the test cannot work; expected "
                 "choices_with_scores or what says more; record one with `moesaic execute --record-routing "
                 "choices_with_scores`");
  }
  EXPECT_THROW(require_form(RoutingDocument(), RoutingForm::counts, "the test"), InputError);
}

}  // namespace
}  // namespace moesaic
