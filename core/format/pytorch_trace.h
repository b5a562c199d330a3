#pragma once
// The rows that ranks exchange in MoE layers, off PyTorch traces (Kineto's Chrome trace JSON, one file per rank), as a
// routing. What the trace does not say stands in ImportedRouting::left_out.

#include "core/format/imported_routing.h"

namespace moesaic {

struct TraceOfRank {
  const Json& json;
  std::string file;
};

struct TraceReading {
  int64_t moe_layers = 1;  // of one pass
  int64_t experts = 1;     // of a layer; a multiple of the ranks
  bool training = false;   // a backward pass follows every forward pass
  std::string group;       // "Process Group Name" of the exchanges; "": there is only one
};

/// Of every rank's events "record_param_comms" with "Collective name" all_to_allv, in the order of their "Seq" or else
/// of their times: the first of two is a dispatch, the second the combine that returns its rows. "In split size" of
/// a dispatch are the rows from that rank to each rank. Experts are on the ranks in order, equally many on each, and
/// share its rows evenly, remainders to the first. Backward passes repeat the forward one's exchanges, last layer
/// first, and are left out. Throws InputError for ranks that are missing or there twice, for splits that the ranks do
/// not agree on, for combines that do not return what was dispatched, and for another number of exchanges than whole
/// passes have.
ImportedRouting read_pytorch_traces(const std::vector<TraceOfRank>& traces, const TraceReading& reading);

}  // namespace moesaic
