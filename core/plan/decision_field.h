#pragma once
// One field of a decision, as data: key, member, legal values, meaning, words. A decision's table is made of these
// (field_table.h says what follows from it).

#include <functional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "core/plan/fields_of.h"
#include "core/schema/object_reader.h"

namespace moesaic {

struct PlanChoices;

/// Where alone a field may differ from its default.
struct Condition {
  bool (*holds)(const PlanChoices&);
  const char* otherwise;  // what is wrong elsewhere: "groups the all-gathers of ZeRO-3"
  const char* field;      // that it depends on: "layout.zero"
  const char* values;     // of that field which meet it: "3"
};

/// All of a field but its type.
struct FieldFacts {
  std::string key;
  std::string values;   // the legal ones, in words
  std::string meaning;  // one sentence
  std::string object;   // of the plan document in which the key stands; "": in the document itself
  // Words have % for the value: "% rank|% ranks" before and after the bar for 1 and for others. Where a field is at its
  // default, and nothing is said of that, it is left out.
  std::string said, said_at_default;  // in the name of a choice
  std::string row;                    // of a summary that mentions the field; "": none does
  bool ends_row = false;              // stands there after what the document has later
  bool required = false;              // else a document may leave it out
  bool fixable = true;                // a preset may fix it, under the same name
  bool of_training = false;
  std::string in_inference;  // what is wrong with it there; "": nothing, it has no effect
  const Condition* condition = nullptr;

  std::string words() const { return said.empty() ? key + " %" : said; }
  std::string pointer() const { return (object.empty() ? "/" : "/" + object + "/") + key; }
};

/// Words of FieldFacts for a value with this text.
std::string filled_words(const std::string& words, const std::string& text);

/// One key of the decision that an Owner holds. Owner{} holds the defaults.
template <typename Owner>
struct DecisionField : FieldFacts {
  std::function<void(const Field& from, Owner& to)> read;
  std::function<Json(const Owner&)> write;
  std::function<std::string(const Owner&)> text;  // the value, for people
  std::function<bool(const Owner&)> is_default;
  std::function<void(const Owner& from, Owner& to)> copy;
  std::function<const void*(const Owner&)> address;    // of the member: its identity
  std::function<std::string(const Owner&)> row_words;  // in the row of a summary

  DecisionField is_required() && { return required = true, std::move(*this); }
  DecisionField not_in_presets() && { return fixable = false, std::move(*this); }
  /// `wrong` elsewhere, or it is of no effect there.
  DecisionField in_training(const char* wrong = "") && {
    return of_training = true, in_inference = wrong, std::move(*this);
  }
  DecisionField where(const Condition& needed) && { return condition = &needed, std::move(*this); }
  DecisionField in_words(const char* words, const char* at_default = "") && {
    return said = words, said_at_default = at_default, std::move(*this);
  }
  DecisionField always_in_words(const char* words) && { return std::move(*this).in_words(words, words); }
  DecisionField in_summary(const char* name, std::function<std::string(const Owner&)> words) && {
    return row = name, row_words = std::move(words), std::move(*this);
  }
  DecisionField in_summary(const char* name, const std::string& words, const std::string& at_default = "") && {
    return std::move(*this).in_summary(name, [=, value = text, unset = is_default](const Owner& owner) {
      return filled_words(unset(owner) ? at_default : words, value(owner));
    });
  }
  DecisionField at_end_of_row() && { return ends_row = true, std::move(*this); }
  /// In the same words as in the name of a choice.
  DecisionField in_summary(const char* name) && { return std::move(*this).in_summary(name, said, said_at_default); }
};

std::string range_in_words(IntegerRange range);
std::string range_in_words(NumberRange range);
std::string names_in_words(std::span<const char* const> names);
Json json_of(int64_t value);
Json json_of(double value);
Json json_of(const char* value);
std::string text_of(const Json& scalar);

/// A field whose value is not a single number or name.
template <typename Owner, typename T, typename Read, typename Write>
DecisionField<Owner> structured(const char* key, T Owner::*member, Read read, Write write) {
  DecisionField<Owner> field;
  field.key = key;
  field.read = [=](const Field& from, Owner& to) { to.*member = static_cast<T>(read(from)); };
  field.write = [=](const Owner& from) { return write(from.*member); };
  field.text = [=](const Owner& from) { return text_of(write(from.*member)); };
  field.is_default = [=](const Owner& owner) { return owner.*member == Owner{}.*member; };
  field.copy = [=](const Owner& from, Owner& to) { to.*member = from.*member; };
  field.address = [=](const Owner& owner) { return static_cast<const void*>(&(owner.*member)); };
  return field;
}

template <typename Owner>
DecisionField<Owner> described_as(DecisionField<Owner> field, std::string values, const char* meaning) {
  field.values = std::move(values);
  field.meaning = meaning;
  return field;
}

template <typename Owner, typename Int>
DecisionField<Owner> integer(const char* key, Int Owner::*member, IntegerRange range, const char* meaning) {
  return described_as(structured(
                          key, member, [range](const Field& from) { return from.integer(range); },
                          [](Int value) { return json_of(int64_t{value}); }),
                      range_in_words(range), meaning);
}

template <typename Owner>
DecisionField<Owner> number(const char* key, double Owner::*member, NumberRange range, const char* meaning) {
  return described_as(structured(
                          key, member, [range](const Field& from) { return from.number(range); },
                          [](double value) { return json_of(value); }),
                      range_in_words(range), meaning);
}

/// A document may also write "16 MiB".
template <typename Owner>
DecisionField<Owner> bytes(const char* key, Bytes Owner::*member, const char* meaning) {
  DecisionField<Owner> field = structured(
      key, member, [](const Field& from) { return from.bytes(kBytesRange); },
      [](Bytes value) { return json_of(int64_t{value}); });
  field.text = [=](const Owner& owner) { return format_bytes(static_cast<double>(owner.*member)); };
  return described_as(std::move(field), "bytes", meaning);
}

/// `names` in the order of the enumeration.
template <typename Owner, typename Enum>
DecisionField<Owner> choice(const char* key, Enum Owner::*member, std::span<const char* const> names,
                            const char* meaning) {
  return described_as(structured(
                          key, member, [names](const Field& from) { return from.choice(names); },
                          [names](Enum value) { return json_of(names[static_cast<size_t>(value)]); }),
                      names_in_words(names), meaning);
}

}  // namespace moesaic
