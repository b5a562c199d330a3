#include "cli/edits.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/schema/error.h"
#include "core/schema/nearest_name.h"

namespace moesaic::cli {
namespace {

Json::json_pointer pointer_to(std::string key) {
  if (key.find('~') != std::string::npos) throw InputError("--set " + key, "", "is no key", "a key such as layout.ep");
  for (char& c : key)
    if (c == '.') c = '/';
  return Json::json_pointer("/" + key);
}

/// Without what says which document it is, and what planning found out.
void list_keys(const Json& json, const std::string& prefix, std::vector<std::string>& keys) {
  constexpr const char* kNotOffered[] = {"kind", "name", "source", "prediction", "evaluations", "interrupted"};
  for (const auto& [key, value] : json.items()) {
    if (std::ranges::find(kNotOffered, key) != std::end(kNotOffered)) continue;
    if (value.is_object())
      list_keys(value, prefix + key + ".", keys);
    else if (!value.is_array())
      keys.push_back(prefix + key);
  }
}

/// The new value: JSON where it parses as such ("12", "true"), else text ("flat", "50 GB/s").
Json new_value(const Edit& edit, const Json& old) {
  if (!edit.multiply) {
    Json value = Json::parse(edit.value, nullptr, false);
    return value.is_discarded() ? Json(edit.value) : value;
  }
  char* end = nullptr;
  const double factor = std::strtod(edit.value.c_str(), &end);
  if (!old.is_number() || edit.value.empty() || *end != '\0' || !std::isfinite(factor) ||
      std::abs(old.get<double>() * factor) > 9e18)
    throw InputError("--set " + edit.key + "*=" + edit.value, "", "does not multiply a number by a finite number",
                     "for example links.nic.bandwidth_bytes_per_s*=2");
  if (old.is_number_integer()) return static_cast<int64_t>(std::llround(old.get<double>() * factor));
  return old.get<double>() * factor;
}

/// "workload.seed" of "workload" -> "seed"; nothing where the key begins otherwise.
std::optional<std::string> within(const std::string& key, const std::string& document) {
  if (!key.starts_with(document + ".")) return std::nullopt;
  return key.substr(document.size() + 1);
}

[[noreturn]] void refuse_unknown(const std::string& key, const NamedDocuments& documents) {
  std::vector<std::string> keys;
  std::string names;
  for (const auto& [name, document] : documents) {
    names += (names.empty() ? "" : &document == &documents.back().second ? " or " : ", ") + name;
    std::vector<std::string> own;
    list_keys(document, within(key, name) ? name + "." : "", own);
    for (std::string& each : own)
      if (std::ranges::find(keys, each) == keys.end()) keys.push_back(std::move(each));
  }
  const std::vector<std::string> near = nearest_paths(key, keys);
  throw InputError("--set " + key, "", "is no key of " + names, "",
                   near.empty() ? "a key is a path such as links.intra_node.bandwidth_bytes_per_s, "
                                  "workload.sequence_length or layout.ep"
                                : did_you_mean(near));
}

}  // namespace

Edit parse_edit(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0)
    throw InputError("--set " + text, "", "is no edit", "KEY=VALUE or KEY*=FACTOR");
  const bool multiply = text[equals - 1] == '*';
  return {text.substr(0, equals - (multiply ? 1 : 0)), text.substr(equals + 1), multiply};
}

Json& document_named(NamedDocuments& documents, const std::string& name) {
  const auto found = std::ranges::find(documents, name, &NamedDocuments::value_type::first);
  MOESAIC_CHECK(found != documents.end(), "a document of this name is there");
  return found->second;
}

const Json* value_of(const EditedKey& key, const NamedDocuments& documents) {
  const auto found = std::ranges::find(documents, key.document, &NamedDocuments::value_type::first);
  const Json::json_pointer pointer = pointer_to(key.key);
  return found == documents.end() || !found->second.contains(pointer) ? nullptr : &found->second[pointer];
}

EditedKey put(const Edit& edit, NamedDocuments& documents) {
  const auto set_in = [&](auto& named, const std::string& key) {
    Json& value = named.second[pointer_to(key)];
    value = new_value(edit, value);
    return EditedKey{key, named.first};
  };
  for (auto& named : documents)
    if (const auto key = within(edit.key, named.first); key && named.second.contains(pointer_to(*key)))
      return set_in(named, *key);
  for (auto& named : documents)
    if (named.second.contains(pointer_to(edit.key))) return set_in(named, edit.key);
  refuse_unknown(edit.key, documents);
}

}  // namespace moesaic::cli
