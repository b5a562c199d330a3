#pragma once
// The times of several plans' exchanges as one JSON document, and links between threads that are like a cluster's. It
// parses no arguments and writes no files.

#include <vector>

#include "core/plan/plan.h"
#include "core/schema/documents.h"
#include "executor/comm/local_transport.h"
#include "executor/exchange/exchange_times.h"

namespace moesaic::executor {

/// Ports with the latencies, bandwidths and costs per message of the cluster, whose links must not cut messages.
LocalOptions links_of(const Cluster& cluster);

/// Collective; complete on every rank. An array with an object per plan: "flat" and "hierarchical" with
/// "seconds" [repetitions], "inter_node_messages", "inter_node_bytes".
Json measure_exchanges(const std::vector<Plan>& plans, int repetitions, int rank, Backend& backend,
                       Transport& transport);

}  // namespace moesaic::executor
