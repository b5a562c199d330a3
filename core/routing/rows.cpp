#include "core/routing/rows.h"

#include <string>

#include "core/schema/error.h"

namespace moesaic {

bool is_window(Rows rows) { return rows >= Rows::predicted_slots; }
bool is_routed(Leg leg) { return leg >= Leg::dispatch && leg <= Leg::fan_out; }
bool is_between_stages(Leg leg) { return leg == Leg::next_stage || leg == Leg::previous_stage; }

LegRows rows_on(Leg leg) {
  switch (leg) {
    case Leg::dispatch:
      return {Rows::sent, Rows::received};
    case Leg::combine:
      return {Rows::received, Rows::sent};
    case Leg::intra_out:
      return {Rows::sent, Rows::relayed};
    case Leg::inter_out:
      return {Rows::relayed, Rows::received};
    case Leg::inter_back:
      return {Rows::received, Rows::relayed};
    case Leg::intra_back:
      return {Rows::relayed, Rows::sent};
    case Leg::once_out:
      return {Rows::once_sent, Rows::once_received};
    case Leg::places_out:
      return {Rows::sent, Rows::fanned};
    case Leg::fan_out:
      return {Rows::fanned, Rows::received};
    case Leg::none:
    case Leg::columns_out:
    case Leg::columns_back:
    case Leg::next_stage:
    case Leg::previous_stage:
      break;
  }
  throw InvariantError(__FILE__, __LINE__, "leg",
                       "routing moves no rows on leg " + std::to_string(static_cast<int>(leg)));
}

}  // namespace moesaic
