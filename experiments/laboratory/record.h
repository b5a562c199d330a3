#pragma once
// Result documents as structs that describe their members once, in the order of the document; writing and strict
// reading both follow from that. It knows no study.
//
//     struct Figures {
//       static constexpr const char* kKind = "result";  // of a whole document: "kind": "moesaic.result/1"
//       double step_s = 0;
//       static void members(auto& self, auto visit) { visit("step_s", self.step_s); }
//     };
//
// A member is a number, a boolean, a text, a record, an optional (absent where empty), a vector or a map by text of
// these. After a vector may stand what each of its elements is before it is read.

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/schema/object_reader.h"

namespace moesaic::experiments {

struct AnyVisitor {
  void operator()(const char*, const auto&...) const {}
};
template <typename T>
concept Record = requires(T& record) {
  T::members(record, AnyVisitor());
};

Json new_document(const char* kind);
Json& new_member(Json& object, const char* key);
Json& new_element(Json& array);
void make_empty_array(Json& place);
void make_empty_object(Json& place);
std::vector<std::string> keys_of(const Field& object);

void put(Json& place, double value);
void put(Json& place, int value);
void put(Json& place, int64_t value);
void put(Json& place, uint64_t value);
void put(Json& place, bool value);
void put(Json& place, const std::string& value);
template <typename T>
void put(Json& place, const std::vector<T>& values);
template <typename T>
void put(Json& place, const std::map<std::string, T>& values);
template <Record T>
void put(Json& place, const T& record);

void take(const Field& field, double& value);
void take(const Field& field, int& value);
void take(const Field& field, int64_t& value);
void take(const Field& field, uint64_t& value);
void take(const Field& field, bool& value);
void take(const Field& field, std::string& value);
template <typename T>
void take(const Field& field, std::vector<T>& values, const T& before = {});
template <typename T>
void take(const Field& field, std::map<std::string, T>& values);
template <Record T>
void take(const Field& field, T& record);

struct Putter {
  Json& object;
  template <typename T>
  void operator()(const char* key, const T& member) const {
    put(new_member(object, key), member);
  }
  template <typename T>
  void operator()(const char* key, const std::optional<T>& member) const {
    if (member) put(new_member(object, key), *member);
  }
  template <typename T>
  void operator()(const char* key, const std::vector<T>& member, const T& /*before*/) const {
    put(new_member(object, key), member);
  }
};

struct Taker {
  ObjectReader& object;
  template <typename T>
  void operator()(const char* key, T& member) const {
    take(object[key], member);
  }
  template <typename T>
  void operator()(const char* key, std::optional<T>& member) const {
    if (const Field field = object[key]; field.present()) take(field, member.emplace());
  }
  template <typename T>
  void operator()(const char* key, std::vector<T>& member, const T& before) const {
    take(object[key], member, before);
  }
};

template <typename T>
void put(Json& place, const std::vector<T>& values) {
  make_empty_array(place);
  for (const T& value : values) put(new_element(place), value);
}

template <typename T>
void put(Json& place, const std::map<std::string, T>& values) {
  make_empty_object(place);
  for (const auto& [key, value] : values) put(new_member(place, key.c_str()), value);
}

template <Record T>
void put(Json& place, const T& record) {
  make_empty_object(place);
  T::members(record, Putter{place});
}

template <typename T>
void take(const Field& field, std::vector<T>& values, const T& before) {
  for (size_t i = 0; i < field.size(); ++i) take(field[i], values.emplace_back(before));
}

template <typename T>
void take(const Field& field, std::map<std::string, T>& values) {
  ObjectReader object = field.object();
  for (const std::string& key : keys_of(field)) take(object[key], values[key]);
}

template <Record T>
void take(const Field& field, T& record) {
  ObjectReader object = field.object();
  T::members(record, Taker{object});
  object.finish();
}

/// The whole document, a Json.
template <Record T>
auto write_document(const T& record) {
  auto document = new_document(T::kKind);
  T::members(record, Putter{document});
  return document;
}

/// InputError for other kinds, and for members that are missing, of another type or unknown.
template <Record T>
T read_document(const Json& document, const std::string& file) {
  ObjectReader object = open_document(document, file, "", T::kKind);
  T record;
  T::members(record, Taker{object});
  object.finish();
  return record;
}

}  // namespace moesaic::experiments
