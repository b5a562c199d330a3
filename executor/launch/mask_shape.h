#pragma once
// The shape of products with masks of routes, in whichever number format. Device code includes this, so it needs
// nothing of the host's.

#include <cstdint>

namespace moesaic::executor {

// Tokens m, rows n of all experts, hidden k.
struct MaskShape {
  int64_t m = 0, n = 0, k = 0;
};

}  // namespace moesaic::executor
