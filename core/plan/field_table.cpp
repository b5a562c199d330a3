#include "core/plan/field_table.h"

#include <nlohmann/json.hpp>

namespace moesaic {

Json& value_in(Json& document, const FieldFacts& field) {
  return (field.object.empty() ? document : document[field.object])[field.key];
}

}  // namespace moesaic
