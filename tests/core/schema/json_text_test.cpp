#include <gtest/gtest.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/schema/documents.h"
#include "core/schema/error.h"

namespace moesaic {
namespace {

/// The refusal of a text: its message, or "accepted".
std::string text_refusal(const std::string& text) {
  try {
    parse_json(text, "f.json");
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

void expect_refusal(const std::string& text, const std::string& part) {
  const std::string message = text_refusal(text);
  EXPECT_NE(message.find(part), std::string::npos) << message;
  EXPECT_EQ(message.rfind("f.json", 0), 0u) << message;
}

TEST(JsonText, KeepsValuesAndTheOrderOfKeys) {
  const std::string text = R"({"z":[1,-2,18446744073709551615,0.5,"a\u00e9",null,true],"a":{"b":{}}})";
  EXPECT_EQ(parse_json(text, "f.json").dump(),
            "{\"z\":[1,-2,18446744073709551615,0.5,\"a\xC3\xA9\",null,true],\"a\":{\"b\":{}}}");
}

TEST(JsonText, RefusesDuplicateKeysByPointer) {
  expect_refusal(R"({"a":[{"b":1},{"c/d":1,"c/d":2}]})", "/a/1/c~1d: the key appears twice");
  EXPECT_EQ(text_refusal(R"({"a":{"b":1},"c":{"b":1}})"), "accepted");
}

TEST(JsonText, RefusesNumbersThatDoNotFit) {
  expect_refusal(R"({"a":[0,1e999]})", "not valid JSON at byte 13");
  expect_refusal(R"({"a":[0,-1e999]})", "number overflow");
  expect_refusal(R"({"a":[0,1208925819614629174706176]})",
                 "/a/1: integer 1208925819614629174706176 does not fit into 64 bits");
  for (const char* text : {"NaN", "[Infinity]", "-Infinity", "[nan]", "01", "+1", ".5", "1.", "0x10"}) {
    expect_refusal(text, "not valid JSON at byte");
  }
}

TEST(JsonText, RefusesDepthOver100AtAnyDepth) {
  EXPECT_EQ(text_refusal(std::string(100, '[') + std::string(100, ']')), "accepted");
  expect_refusal(std::string(101, '[') + std::string(101, ']'), "nested more than 100 deep");
  expect_refusal(std::string(100000, '['), "nested more than 100 deep");
  std::string objects;
  for (int i = 0; i < 100000; ++i) objects += "{\"a\":";
  expect_refusal(objects, "nested more than 100 deep");
}

TEST(JsonText, RefusesWhatIsNotAWholeDocument) {
  expect_refusal("", "is empty");
  expect_refusal(" \n\t", "is empty");
  expect_refusal("{\"a\": [1, 2", "/a/2: not valid JSON at byte 12");
  expect_refusal("{} {}", "not valid JSON at byte 4");
  expect_refusal("{\"a\":1,}", "not valid JSON at byte 8");
  expect_refusal("// comment\n{}", "not valid JSON at byte 1");
  expect_refusal(std::string("{}\0", 3), "not valid JSON at byte 3");
}

TEST(JsonText, RefusesOtherEncodings) {
  expect_refusal("\xEF\xBB\xBF{}", "byte order mark");
  expect_refusal(std::string("\xFF\xFE{\0}\0", 6), "byte order mark");
  expect_refusal("{\"a\":\"\xC3\x28\"}", "not valid JSON at byte 8");
  expect_refusal("{\"a\":\"\xED\xA0\x80\"}", "not valid JSON");
  // What is shown of it is plain text, and short.
  EXPECT_LT(text_refusal("{\"a\":\"" + std::string(100000, '\x01')).size(), 500u);
}

TEST(JsonText, RefusesFoldersAndMissingFiles) {
  EXPECT_THROW(read_json(::testing::TempDir()), InputError);
  EXPECT_THROW(read_json(::testing::TempDir() + "/no_such_file.json"), InputError);
  EXPECT_THROW(read_json(""), InputError);
}

TEST(JsonText, ReadsAWideObjectInLinearTime) {
  std::string text = "{";
  for (int i = 0; i < 200000; ++i) text += (i == 0 ? "\"k" : ",\"k") + std::to_string(i) + "\":0";
  EXPECT_EQ(parse_json(text + "}", "f.json").size(), 200000u);
}

}  // namespace
}  // namespace moesaic
