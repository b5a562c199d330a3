#pragma once
// When does the hierarchical all-to-all beat a flat one whose sends are all in flight at once? Both are measured over
// links of known rates and costs per message, and predicted by the simulator, with and without that cost; nothing is
// fitted.

#include <functional>
#include <string>
#include <vector>

#include "core/schema/documents.h"
#include "core/timeline/timeline.h"

namespace moesaic::experiments {

/// How the ranks of a measurement are joined.
struct Links {
  std::string name;
  std::string transport;  // "threads": links that delay; "emulated_hosts": TCP between network namespaces
  Link intra_node, nic;
  bool card_per_device = false;  // else the devices of a node share one
};

struct Shape {
  int nodes = 1, devices_per_node = 1;
};

struct ExchangeStudy {
  std::string name, question;
  std::vector<Links> links;
  std::vector<Shape> shapes;
  std::vector<Bytes> pair_bytes;  // that each rank sends to each other one
  int rounds = 1, repetitions = 1;
};
ExchangeStudy read_exchange_study(const Json& json, const std::string& file);

struct ExchangeHooks {
  std::function<Timeline(const Plan&)> simulate;
  /// Times of each plan's exchanges, flat and hierarchical in turns: the document of `moesaic-executor exchange`. Empty
  /// where this machine cannot join ranks so.
  std::function<Json(const Links&, const std::vector<Plan>&, int repetitions)> measure;
  std::function<void(int done, int total)> progress = [](int, int) {};
};

/// A row per links, shape and size; measured and predicted in separate columns; and the summary.
Json run_exchange_study(const ExchangeStudy& study, const ExchangeHooks& hooks);

/// The result as tables of Markdown, for the experiment's README.
std::string exchange_tables(const Json& result);

}  // namespace moesaic::experiments
