#include "core/plan/choice_fields.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace moesaic {
namespace {

/// The table of a decision as fields of all choices, in `object` of the document.
template <typename Decision>
void append(FieldTable<PlanChoices>& all, const char* object) {
  for (const DecisionField<Decision>& field : fields_of<Decision>()) {
    DecisionField<PlanChoices> whole{static_cast<const FieldFacts&>(field), {}, {}, {}, {}, {}, {}, {}};
    whole.object = object;
    whole.read = [&field](const Field& from, PlanChoices& to) { field.read(from, decision_in<Decision>(to)); };
    whole.write = [&field](const PlanChoices& from) { return field.write(decision_in<Decision>(from)); };
    whole.text = [&field](const PlanChoices& from) { return field.text(decision_in<Decision>(from)); };
    whole.is_default = [&field](const PlanChoices& of) { return field.is_default(decision_in<Decision>(of)); };
    whole.copy = [&field](const PlanChoices& from, PlanChoices& to) {
      field.copy(decision_in<Decision>(from), decision_in<Decision>(to));
    };
    if (field.row_words)
      whole.row_words = [&field](const PlanChoices& of) { return field.row_words(decision_in<Decision>(of)); };
    whole.address = [&field](const PlanChoices& of) { return field.address(decision_in<Decision>(of)); };
    all.push_back(std::move(whole));
  }
}

// The rows that a summary begins with, in this order, though their fields stand apart in the document.
constexpr const char* kFirstRows[] = {"layout", "dispatch", "gradient buckets", "dense states", "expert states"};

/// "expert_storage" -> "expert storage", "gradient_bucket_bytes" -> "gradient buckets".
std::string name_for_people(const FieldFacts& field) {
  std::string key = field.object.empty() ? field.key : field.object;
  if (key.ends_with("_bytes")) key.replace(key.size() - 6, 6, "s");
  std::replace(key.begin(), key.end(), '_', ' ');
  return key;
}

}  // namespace

const FieldTable<PlanChoices>& choice_fields() {
  static const FieldTable<PlanChoices> fields = [] {
    FieldTable<PlanChoices> all;
    append<Layout>(all, "layout");
    append<Dispatch>(all, "dispatch");
    append<Buckets>(all, "");
    append<OptimizerStep>(all, "");
    append<Prefetch>(all, "prefetch");
    append<ExpertStorage>(all, "expert_storage");
    append<EmbeddingTable>(all, "");
    append<Placement>(all, "");
    append<ElasticShares>(all, "");
    return all;
  }();
  return fields;
}

void check_fields_have_effect(const PlanChoices& choices, WorkloadPhase phase, const PlanChecker& check) {
  for (const DecisionField<PlanChoices>& field : choice_fields()) {
    const bool refused_in_inference = phase != WorkloadPhase::training && !field.in_inference.empty();
    const bool idle = field.condition != nullptr && !field.condition->holds(choices);
    if (!(refused_in_inference || idle) || field.is_default(choices)) continue;
    const std::string to_default = "set " + field.key + " to " + text_of(field.write(PlanChoices{})) + ", or ";
    if (refused_in_inference)
      check.refuse(field.pointer(), field.in_inference + ", the workload is inference",
                   to_default + "take a training workload");
    check.refuse(field.pointer(), field.condition->otherwise,
                 to_default + field.condition->field + " to " + field.condition->values);
  }
}

std::vector<std::pair<std::string, std::string>> choices_in_words(const PlanChoices& choices, WorkloadPhase phase,
                                                                  Summary summary) {
  std::vector<std::pair<std::string, std::string>> rows;
  for (const char* name : kFirstRows) rows.emplace_back(name, "");
  const auto add = [&](const DecisionField<PlanChoices>& field) {
    if (field.of_training && phase != WorkloadPhase::training) return;
    if (field.row.empty() && summary == Summary::short_one) return;
    const std::string words = field.row.empty() ? words_of(field, choices) : field.row_words(choices);
    if (words.empty()) return;
    const std::string name = field.row.empty() ? name_for_people(field) : field.row;
    auto row = std::find_if(rows.begin(), rows.end(), [&](const auto& of) { return of.first == name; });
    if (row == rows.end()) row = rows.emplace(rows.end(), name, "");
    row->second += (row->second.empty() ? "" : ", ") + words;
  };
  for (const bool last : {false, true})
    for (const DecisionField<PlanChoices>& field : choice_fields())
      if (field.ends_row == last) add(field);
  std::erase_if(rows, [](const auto& row) { return row.second.empty(); });
  return rows;
}

}  // namespace moesaic
