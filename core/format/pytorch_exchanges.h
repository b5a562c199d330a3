#pragma once
// The all_to_allv of one rank's PyTorch trace with their split sizes, in order. What they stand for in a model is
// pytorch_trace.h's.

#include <string>
#include <vector>

#include "core/schema/object_reader.h"

namespace moesaic {

struct Exchange {
  std::vector<int64_t> sent, received;  // [ranks of the group], rows: "In split size", "Out split size"
  std::string pointer;                  // "/traceEvents/17"
};

struct RankExchanges {
  std::string file;
  int64_t rank = 0;  // "Rank" of the events
  std::vector<Exchange> exchanges;
};

/// Of the group with this name; "": of the only one that has such exchanges. By "Seq", else by "ts"; one that stands
/// twice with the same "Seq" counts once. Split sizes are lists, or texts of lists, as Kineto writes them.
RankExchanges read_exchanges(const Json& trace, const std::string& file, const std::string& group);

}  // namespace moesaic
