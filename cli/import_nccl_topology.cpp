// moesaic import nccl-topology: the topology of a node becomes a cluster document.
#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/arguments.h"
#include "cli/import_formats.h"
#include "core/format/nccl_topology.h"
#include "core/schema/formatted.h"

namespace moesaic::cli {
namespace {

struct TopologyOptions {
  std::string file, output, device;
  int nodes = 1;
};

void run(const TopologyOptions& o, Session& session) {
  check_outputs({o.output}, {o.file});
  const NcclTopology topology = read_nccl_topology(read_text(o.file, "an XML file of NCCL_TOPO_DUMP_FILE"), o.file);
  const TopologyCluster found =
      cluster_of(topology, o.file, load_hardware(o.device, session.document_roots()), o.nodes);
  const Cluster& cluster = found.cluster;
  write_file(o.output, write_cluster(cluster).dump(1) + "\n");
  std::string text = formatted("%d %s of %d %s, %d NVLinks each, %d network cards of %s/s a node: %s\n",
                               cluster.num_nodes, cluster.num_nodes > 1 ? "nodes" : "node", cluster.devices_per_node,
                               cluster.device.name.c_str(), topology.nvlinks, cluster.nics_per_node,
                               format_bytes(cluster.nic.bandwidth_bytes_per_s).c_str(), o.output.c_str());
  for (const std::string& line : found.taken) text += "  " + line + "\n";
  session.print({{"output", o.output},
                 {"devices", cluster.num_devices()},
                 {"nvlinks", topology.nvlinks},
                 {"network_cards_per_node", cluster.nics_per_node},
                 {"taken", found.taken}},
                text);
}

}  // namespace

void add_nccl_topology(CLI::App& import, Session& session) {
  auto options = std::make_shared<TopologyOptions>();
  CLI::App* verb = import.add_subcommand("nccl-topology", "the node of a cluster, from the XML of NCCL_TOPO_DUMP_FILE");
  verb->add_option("file", options->file, "the topology of one node")->required();
  verb->add_option("-o,--output", options->output, "cluster document to write")->required();
  verb->add_option("--device", options->device, "description that gives all else, for example h100-80g-sxm")
      ->required();
  verb->add_option("--nodes", options->nodes, "number of such nodes")->check(CLI::Range(1, 1 << 20))->default_val(1);
  add_json_option(*verb, session);
  refuse_seed(*verb, "reading makes no random choice");
  verb->footer("Example:\n  moesaic import nccl-topology topo.xml --device h100-80g-sxm --nodes 4 -o cluster.json");
  verb->callback([options, &session] { run(*options, session); });
}

}  // namespace moesaic::cli
