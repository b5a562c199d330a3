#pragma once
// When does the hierarchical all-to-all beat a flat one whose sends are all in flight at once? Both are measured over
// links of known rates and costs per message, and predicted by the simulator, with and without that cost; nothing is
// fitted.

#include "experiments/04_when_does_hierarchical_all_to_all_win/result.h"
#include "experiments/laboratory/study.h"

namespace moesaic::experiments {

/// How the ranks of a measurement are joined.
struct Links {
  std::string name;
  Transport transport = Transport::threads;
  Link intra_node, nic;
  bool card_per_device = false;  // else the devices of a node share one
};

struct Shape {
  int nodes = 1, devices_per_node = 1;
};

struct ExchangeAxes {
  std::string name;
  std::vector<Links> links;
  std::vector<Shape> shapes;
  std::vector<Bytes> pair_bytes;  // that each rank sends to each other one
  int rounds = 1, repetitions = 1;
};
ExchangeAxes read_exchange_axes(const Json& json, const std::string& file);

/// A row per links, shape and size that could be measured.
ExchangeResult run_exchange_study(const ExchangeAxes& axes, const Laboratory& laboratory);
std::string exchange_tables(const ExchangeResult& result);

extern const Study kExchangeStudy;

}  // namespace moesaic::experiments
