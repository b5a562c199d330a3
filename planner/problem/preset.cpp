#include "planner/problem/preset.h"

#include <nlohmann/json.hpp>

#include "planner/placement/policies.h"

namespace moesaic::planner {
Fixed read_fixed(ObjectReader& reader) {
  Fixed fixed{read_partial_plan(reader), "", std::nullopt};
  if (const Field policy = reader["placement"]; policy.present()) {
    std::vector<const char*> names;
    for (const std::string& name : placement_policies()) names.push_back(name.c_str());
    fixed.placement = placement_policies()[policy.choice(names)];
  }
  return fixed;
}

Fixed read_preset(const Json& json, const std::string& file) {
  ObjectReader preset = open_document(json, file, "", "preset");
  const std::string name = preset["name"].text();
  preset["note"].text("");
  Fixed fixed = read_fixed(preset);
  fixed.preset = name;
  preset.finish();
  return fixed;
}

}  // namespace moesaic::planner
