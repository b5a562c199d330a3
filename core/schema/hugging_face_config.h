#pragma once
// A Hugging Face configuration, wherever in the file its keys stand: in text_config where the model sees pictures too,
// beside it, or in the sections of DBRX. null counts as absent.

#include <initializer_list>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "core/schema/object_reader.h"

namespace moesaic::hugging_face {

/// Without the members that are null, of objects in it too.
Json without_nulls(const Json& config);

class Config {
 public:
  /// `config`, without nulls, must outlive it.
  Config(const Json& config, const std::string& file, const std::string& pointer);
  Config(const Config&) = delete;  // fields refer to its readers
  Config& operator=(const Config&) = delete;

  /// The first of the aliases that is present; absent ones are reported by the first.
  Field operator()(std::span<const char* const> aliases);
  Field operator()(std::initializer_list<const char*> aliases);
  Field operator[](const char* key);

  /// An integer, or a list of equal ones, one per layer.
  static int64_t uniform(const Field& field, IntegerRange range);

  /// Where most keys stand.
  const ObjectReader& main() const { return parts_.front(); }
  const std::vector<ObjectReader>& parts() const { return parts_; }

 private:
  std::vector<ObjectReader> parts_;
};

}  // namespace moesaic::hugging_face
