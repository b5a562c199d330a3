#pragma once
// Request traces of expert states: what one node's cache is asked for while a model trains or infers. Made from routing
// counts alone; no policy is known here.

#include <string>
#include <vector>

#include "core/schema/routing.h"

namespace moesaic::experiments {

/// How a trace is made. One iteration requests, layer by layer, the experts that have rows; in training once forward
/// and once backward, in the reverse order of layers.
struct TraceSpec {
  std::string name;
  std::string group;      // traces whose differences are averaged together
  std::string recording;  // a routing document; "": sampled from a generator
  double zipf_exponent = 0;
  int64_t drift_period = 0;  // iterations until another popularity has replaced the first; 0: it never changes
  int64_t moe_layers = 0, experts = 0;
  int64_t rows = 0;  // of one layer in one iteration: tokens * top_k
  int64_t iterations = 0;
  int64_t warm_up = 0;  // iterations at the start that do not count
  bool backward = true;
};

struct RequestTrace {
  std::vector<int64_t> ids;              // [requests] moe_layer * experts + expert
  std::vector<size_t> iteration_begins;  // [iterations + 1] into ids
  int64_t entries = 0;                   // moe_layers * experts
  size_t measured_from = 0;              // requests before are warm-up
  double active_share = 0;               // mean share of a layer's experts that have rows
  double precision = 0, recall = 0;      // of predicting an iteration's active experts by the one before
};

/// The rows of every expert, [iteration][moe_layer][expert]. While popularity drifts, the share of rows that follows
/// the next one grows linearly from 0 to 1.
using RowCounts = std::vector<std::vector<std::vector<int64_t>>>;
RowCounts row_counts(const TraceSpec& spec, const RoutingDocument& recording, uint64_t seed);

RequestTrace request_trace(const TraceSpec& spec, const RowCounts& counts);

}  // namespace moesaic::experiments
