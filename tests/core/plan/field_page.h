#pragma once
// docs/plan_fields.md as the tables of fields have it.

#include <nlohmann/json.hpp>
#include <string>

#include "core/plan/choice_fields.h"

namespace moesaic::testing {

inline std::string needs_of(const FieldFacts& field) {
  if (field.condition == nullptr) return "";
  return std::string("; needs `") + field.condition->field + "` " + field.condition->values;
}

template <typename Owner>
std::string rows_of_page(const FieldTable<Owner>& table) {
  std::string rows;
  for (const DecisionField<Owner>& field : table) {
    const std::string name = (field.object.empty() ? "" : field.object + ".") + field.key;
    rows += "| `" + name + "` | " + field.values + " | " +
            (field.required ? "required" : text_of(field.write(Owner{}))) + " | " + (field.fixable ? "yes" : "no") +
            " | " + field.meaning + (field.of_training ? " (training)" : "") + needs_of(field) + " |\n";
  }
  return rows;
}

inline std::string field_page() {
  return "# The fields of a plan\n"
         "\n"
         "What a plan decides, under the names of its document (`moesaic.plan/1`); presets fix any of these but those "
         "with a \"no\".\n"
         "`moesaic simulate --set layout.zero=2` tries another value. This page follows from the tables in "
         "`core/plan`;\n"
         "`tests/core/plan/field_page_test.cpp` compares it, and says how to write it anew.\n"
         "\n"
         "| field | values | default | in presets | meaning |\n"
         "|---|---|---|---|---|\n" +
         rows_of_page(choice_fields()) +
         "\n"
         "Bytes may have a unit (\"16 MiB\"). A preset's `placement` is the name of a policy of the planner instead: "
         "`planner/placement`.\n"
         "Which fields change no bit of what is trained: [bit_neutral.md](bit_neutral.md).\n";
}

}  // namespace moesaic::testing
