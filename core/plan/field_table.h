#pragma once
// What follows from the table of a decision: reading, writing, words. It knows no field by name.

#include <algorithm>
#include <string>
#include <type_traits>
#include <vector>

#include "core/plan/decision_field.h"
#include "core/schema/error.h"

namespace moesaic {

/// Where the field stands in a document; made where it does not stand there yet.
Json& value_in(Json& document, const FieldFacts& field);

template <typename T, typename Decision>
const DecisionField<Decision>& field_of(T Decision::*member) {
  static const Decision probe{};
  const FieldTable<Decision>& table = fields_of<Decision>();
  const auto found = std::find_if(table.begin(), table.end(),
                                  [&](const auto& field) { return field.address(probe) == &(probe.*member); });
  MOESAIC_CHECK(found != table.end(), "a member of a decision stands in its table");
  return *found;
}

/// "ZeRO-3", or "" where nothing is said of the default.
template <typename Owner>
std::string words_of(const DecisionField<Owner>& field, const Owner& owner) {
  if (field.is_default(owner)) return filled_words(field.said_at_default, field.text(owner));
  return filled_words(field.words(), field.text(owner));
}

/// One value in the words of its field: in_words(&Dispatch::chunks, 4) is "4 chunks".
template <typename T, typename Decision>
std::string in_words(T Decision::*member, std::type_identity_t<T> value) {
  const DecisionField<Decision>& field = field_of(member);
  Decision decision;
  decision.*member = value;
  const std::string words = words_of(field, decision);
  return words.empty() ? filled_words(field.words(), field.text(decision)) : words;
}

/// The decision in words: "4 ranks, ep 4, 1 microbatch, ZeRO-3".
template <typename Decision>
std::string describe(const Decision& decision) {
  std::string text;
  for (const DecisionField<Decision>& field : fields_of<Decision>())
    if (const std::string words = words_of(field, decision); !words.empty()) text += (text.empty() ? "" : ", ") + words;
  return text;
}

/// Whether keys may be missing that a document must have. Partial: any may, and those that presets may not fix are
/// unknown.
enum class Reading { whole, partial };

/// Reads the keys that are there into `to`, whose other members stay as they are; gives the fields that it read.
/// Fields of one object stand together in the table.
template <typename Owner>
std::vector<const DecisionField<Owner>*> read_fields(ObjectReader& reader, const FieldTable<Owner>& table, Owner& to,
                                                     Reading reading) {
  std::vector<const DecisionField<Owner>*> given;
  const auto read = [&](ObjectReader& object, const DecisionField<Owner>& field) {
    if (reading == Reading::partial && !field.fixable) return;
    const Field value = object[field.key];
    if (!value.present() && (reading == Reading::partial || !field.required)) return;
    field.read(value, to);
    given.push_back(&field);
  };
  for (auto field = table.begin(), next = field; field != table.end(); field = next) {
    const std::string& name = field->object;
    next =
        std::find_if(field + 1, table.end(), [&](const auto& other) { return name.empty() || other.object != name; });
    if (name.empty()) {
      read(reader, *field);
      continue;
    }
    const bool required = std::any_of(field, next, [](const auto& member) { return member.required; });
    const Field part = reader[name];
    if (!part.present() && (reading == Reading::partial || !required)) continue;
    ObjectReader object = part.object();
    for (auto member = field; member != next; ++member) read(object, *member);
    object.finish();
  }
  return given;
}

/// Adds every field to an object: read_fields() of it gives `from` again.
template <typename Owner>
void write_fields(const FieldTable<Owner>& table, const Owner& from, Json& to) {
  for (const DecisionField<Owner>& field : table) value_in(to, field) = field.write(from);
}

}  // namespace moesaic
