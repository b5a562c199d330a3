#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/schema/documents.h"
#include "core/schema/error.h"
#include "tests/core/schema/sample_documents.h"
#include "tests/core/schema/shipped_documents.h"

namespace moesaic {
namespace {

TEST(DocumentError, AMissingKeyIsExplainedByItsMisspelling) {
  Json json = write_workload(testing::sample_workload());
  json.erase("global_batch");
  json["globl_batch"] = 8;
  try {
    read_workload(json, "w.json");
    FAIL();
  } catch (const InputError& error) {
    EXPECT_STREQ(error.what(), "w.json /global_batch: is missing; did you mean it by \"globl_batch\"?");
  }
}

TEST(DocumentError, OnlyInferenceHasACache) {
  const auto pointer_of = [](const char* phase, const char* dtype) -> std::string {
    Json json = write_workload(testing::sample_workload());
    json["phase"] = phase;
    json["kv_cache_dtype"] = dtype;
    try {
      EXPECT_EQ(name_of(*read_workload(json, "w.json").kv_cache_dtype), std::string(dtype));
    } catch (const InputError& error) {
      return error.pointer();
    }
    return "accepted";
  };
  for (const char* dtype : {"f32", "bf16", "f16", "fp8"}) EXPECT_EQ(pointer_of("decode", dtype), "accepted");
  EXPECT_EQ(pointer_of("prefill", "fp4"), "/kv_cache_dtype");
  EXPECT_EQ(pointer_of("training", "fp8"), "/kv_cache_dtype");
}

TEST(DocumentError, RecordedCountsHaveOneShape) {
  const auto pointer_of = [](const std::string& counts) -> std::string {
    try {
      read_routing(Json::parse(R"({"kind":"moesaic.routing/1","counts":)" + counts + "}"), "r.json");
    } catch (const InputError& error) {
      return error.pointer();
    }
    return "accepted";
  };
  EXPECT_EQ(pointer_of("[[[[1,0],[2,1]]]]"), "accepted");
  EXPECT_EQ(pointer_of("[[[[1,0],[2]]]]"), "/counts/0/0/1");
  EXPECT_EQ(pointer_of("[[[[1,0]]],[[[1,0]],[[1,0]]]]"), "/counts/1");
  EXPECT_EQ(pointer_of("[[[[1,-1]]]]"), "/counts/0/0/0/1");
  EXPECT_EQ(pointer_of("[[[[0,0],[0,0]]]]"), "/counts/0/0");
  EXPECT_EQ(pointer_of("[]"), "/counts");
  EXPECT_EQ(pointer_of("[[1]]"), "/counts/0/0");
}

TEST(DocumentError, KindIsFoundOrSuggested) {
  EXPECT_EQ(document_kind(Json::parse(R"({"kind":"moesaic.plan/1"})"), "f"), "plan");
  EXPECT_EQ(document_kind(Json::parse(R"({"model_type":"mixtral"})"), "f"), "model");
  for (const char* text : {"[]", "{}", R"({"kind":1})", R"({"kind":"moesaic.plan/2"})", R"({"kind":"plan"})"}) {
    EXPECT_THROW(document_kind(Json::parse(text), "f"), InputError) << text;
  }
}

TEST(DocumentError, NamesResolveToFilesOrNearNames) {
  const std::vector<std::string> roots = {"/nonexistent", testing::profiles("")};
  EXPECT_EQ(std::filesystem::path(resolve_document("mixtral-8x7b", "models", roots)).lexically_normal(),
            std::filesystem::path(testing::profiles("models/mixtral-8x7b.json")).lexically_normal());
  const std::string path = testing::profiles("models/mixtral-8x7b.json");
  EXPECT_EQ(resolve_document(path, "models", roots), path);
  for (const auto& [name, part] :
       std::vector<std::pair<std::string, std::string>>{{"mixtrall-8x7b", "did you mean \"mixtral-8x7b\""},
                                                        {"zzzzzzzzzzzzzzz", "one of: arctic"},
                                                        {"../models/x", "no such file"},
                                                        {"", "no such file"}}) {
    try {
      resolve_document(name, "models", roots);
      ADD_FAILURE() << name;
    } catch (const InputError& error) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace moesaic
