#pragma once
// Why a layout is out of the question, so that many of them can be told as one. It refuses nothing itself.

#include <span>
#include <string>
#include <vector>

#include "core/schema/units.h"

namespace moesaic::planner {

struct Refusal {
  std::string reason;        // of this layout, whole; "": it may be tried
  std::string limit;         // what is in the way, in the same words for all layouts that it keeps out
  Bytes needs = 0, has = 0;  // where memory is in the way
  std::string where = {};    // that memory is: "on the device"
  bool empty() const { return reason.empty(); }
};

struct RefusedLayout {
  std::string layout;  // in words
  Refusal refusal;
};

/// With the reason as the limit; empty where the reason is "".
Refusal refused_for(const std::string& reason);
/// Of what the end of the search has left out.
Refusal not_looked_at();

/// One line for each limit, in the order of their first layouts: "48 layouts: training states do not fit; nearest: 8
/// ranks, ep 8 needs 93.1 GB of 80 GB on the device". A limit of one layout has its reason.
std::vector<std::string> grouped(std::span<const RefusedLayout> refused);

/// The layout that lacks the least, relative to what there is; null where memory keeps none out.
const RefusedLayout* nearest_to_fit(std::span<const RefusedLayout> refused);

}  // namespace moesaic::planner
