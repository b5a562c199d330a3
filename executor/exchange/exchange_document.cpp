#include "executor/exchange/exchange_document.h"

#include <limits>
#include <nlohmann/json.hpp>

#include "core/schema/error.h"

namespace moesaic::executor {
namespace {

Json document_of(const ExchangeSamples& samples) {
  return {{"seconds", samples.seconds},
          {"inter_node_messages", samples.inter_node.messages},
          {"inter_node_bytes", samples.inter_node.bytes}};
}

LinkModel model_of(const Link& link) {
  MOESAIC_CHECK(link.packet_bytes == 0, "links between threads do not cut messages");
  return {link.latency_s, link.reached_bytes_per_s(), link.message_s};
}

}  // namespace

LocalOptions links_of(const Cluster& cluster) {
  LocalOptions options;
  options.ranks_per_node = cluster.devices_per_node;
  options.cards_per_node = cluster.nics_per_node;
  options.intra_node = model_of(cluster.intra_node);
  options.inter_node = model_of(cluster.nic);
  return options;
}

Json measure_exchanges(const std::vector<Plan>& plans, int repetitions, int rank, Backend& backend,
                       Transport& transport) {
  Json documents = Json::array();
  for (const Plan& plan : plans) {
    const ExchangeTimes times = time_exchanges(plan, repetitions, rank, backend, transport);
    documents.push_back({{"flat", document_of(times.flat)}, {"hierarchical", document_of(times.hierarchical)}});
  }
  return documents;
}

}  // namespace moesaic::executor
