#pragma once
// Some of a plan's choices: those that a preset or a user has taken. The others are open.

#include <cstddef>
#include <optional>
#include <set>

#include "core/plan/choice_fields.h"

namespace moesaic {

class PartialPlan {
 public:
  /// get(&Layout::zero): nothing where it is open.
  template <typename T, typename Decision>
  std::optional<T> get(T Decision::*member) const {
    const T& value = decision_in<Decision>(choices_).*member;
    return given_.contains(place_of(&value)) ? std::optional<T>(value) : std::nullopt;
  }
  template <typename T, typename Decision>
  bool has(T Decision::*member) const {
    return get(member).has_value();
  }
  template <typename T, typename Decision>
  void set(T Decision::*member, std::type_identity_t<T> value) {
    T& to = decision_in<Decision>(choices_).*member;
    to = std::move(value);
    given_.insert(place_of(&to));
  }

  /// Overwrites what is not open; what is of training alone only in training.
  void apply(PlanChoices& to, WorkloadPhase phase) const;

 private:
  friend PartialPlan read_partial_plan(ObjectReader& reader);
  std::ptrdiff_t place_of(const void* member) const {
    return static_cast<const std::byte*>(member) - reinterpret_cast<const std::byte*>(&choices_);
  }

  PlanChoices choices_;             // defaults where open
  std::set<std::ptrdiff_t> given_;  // places of members in choices_
};

/// Reads the keys of a plan's choices that presets may fix, all optional; leaves other keys of the object to the
/// caller. Refuses values that no plan can have together: a field whose condition the others do not meet.
PartialPlan read_partial_plan(ObjectReader& reader);

}  // namespace moesaic
