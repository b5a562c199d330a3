#pragma once
// An all-to-all that somebody has measured on GPUs, and what a simulated step takes for the same bytes.

#include <string>

#include "experiments/laboratory/laboratory.h"

namespace moesaic::experiments {

struct ExchangedConfiguration {
  std::string what, device;  // who moves what; a document
  int nodes = 1, devices_per_node = 1;
  Bytes rank_bytes = 0;  // of one rank for all ranks, itself included
  Seconds seconds = 0;   // measured

  int ranks() const { return nodes * devices_per_node; }

  static void members(auto& self, auto visit) {
    visit("what", self.what);
    visit("device", self.device);
    visit("nodes", self.nodes);
    visit("devices_per_node", self.devices_per_node);
    visit("rank_bytes", self.rank_bytes);
    visit("seconds", self.seconds);
  }
};

/// The device's cluster and profile, rows of exchange_plan(); every pair has as many bytes, to the nearest row.
Plan exchanged_plan(const ExchangedConfiguration& exchanged, const Laboratory& laboratory);

/// The null model: what leaves a rank, over the nominal rate of its card, or of its port inside the node where there is
/// one node.
Seconds exchange_bytes_over_rate(const Plan& plan, const ExchangedConfiguration& exchanged);

}  // namespace moesaic::experiments
