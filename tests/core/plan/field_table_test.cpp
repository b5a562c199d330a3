#include "core/plan/field_table.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/core/plan/field_page.h"

namespace moesaic {
namespace {

enum class Colour { red, green };
constexpr const char* kColours[] = {"red", "green"};

/// A decision of no plan: a field that stands in its table stands everywhere else.
struct Painting {
  int coats = 1;
  double gloss = 0.5;
  Bytes paint_bytes = 0;
  Colour colour = Colour::red;
  bool operator==(const Painting&) const = default;
};

}  // namespace

template <>
const FieldTable<Painting>& fields_of<Painting>() {
  static const FieldTable<Painting> fields = {
      integer("coats", &Painting::coats, {1, 9}, "layers of paint").is_required().always_in_words("% coat|% coats"),
      number("gloss", &Painting::gloss, {0, 1}, "share of light that is mirrored").not_in_presets(),
      bytes("paint_bytes", &Painting::paint_bytes, "paint in a bucket").in_words("buckets of %"),
      choice("colour", &Painting::colour, kColours, "of the wall").in_training(),
  };
  return fields;
}

namespace {

Painting read_painting(const char* text, Reading reading = Reading::whole) {
  const Json json = Json::parse(text);
  ObjectReader reader(json, "p.json", "");
  Painting painting;
  read_fields(reader, fields_of<Painting>(), painting, reading);
  reader.finish();
  return painting;
}

template <typename Read>
std::string painting_refusal(Read read_it) {
  try {
    read_it();
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(FieldTable, ReadsAndWritesEveryFieldInOrder) {
  const Painting painting{3, 0.25, 16'000'000, Colour::green};
  Json json = Json::object();
  write_fields(fields_of<Painting>(), painting, json);
  EXPECT_EQ(json.dump(), R"({"coats":3,"gloss":0.25,"paint_bytes":16000000,"colour":"green"})");
  EXPECT_EQ(read_painting(json.dump().c_str()), painting);
  EXPECT_EQ(read_painting(R"({"paint_bytes": "16 MB", "coats": 3.0})"), (Painting{3, 0.5, 16'000'000, Colour::red}));
}

TEST(FieldTable, RefusesAsDocumentsDo) {
  EXPECT_EQ(painting_refusal([] { read_painting("{}"); }), "p.json /coats: is missing; add the key \"coats\"");
  EXPECT_EQ(painting_refusal([] { read_painting(R"({"coats": 10})"); }),
            "p.json /coats: is 10; expected an integer from 1 to 9");
  EXPECT_EQ(painting_refusal([] { read_painting(R"({"coats": 1, "color": "red"})"); }),
            "p.json /color: unknown key \"color\"; did you mean \"colour\"?");
}

TEST(FieldTable, PartialReadingNeedsNothingAndKnowsWhatPresetsMayFix) {
  EXPECT_EQ(read_painting("{}", Reading::partial), Painting{});
  EXPECT_EQ(read_painting(R"({"colour": "green"})", Reading::partial), (Painting{1, 0.5, 0, Colour::green}));
  EXPECT_NE(painting_refusal([] { read_painting(R"({"gloss": 1})", Reading::partial); }), "accepted");
}

TEST(FieldTable, SpeaksOfWhatDiffersFromItsDefault) {
  EXPECT_EQ(describe(Painting{}), "1 coat");
  EXPECT_EQ(describe(Painting{2, 0.25, 16'000'000, Colour::green}),
            "2 coats, gloss 0.25, buckets of 16 MB, colour green");
  EXPECT_EQ(in_words(&Painting::colour, Colour::green), "colour green");
}

TEST(FieldTable, HasAPage) {
  EXPECT_EQ(testing::rows_of_page(fields_of<Painting>()),
            "| `coats` | integer from 1 to 9 | required | yes | layers of paint |\n"
            "| `gloss` | number of at least 0.0 and at most 1.0 | 0.5 | no | share of light that is mirrored |\n"
            "| `paint_bytes` | bytes | 0 | yes | paint in a bucket |\n"
            "| `colour` | `red`, `green` | red | yes | of the wall (training) |\n");
}

}  // namespace
}  // namespace moesaic
