#include "experiments/04_when_does_hierarchical_all_to_all_win/study.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/schema/object_reader.h"
#include "experiments/04_when_does_hierarchical_all_to_all_win/exchange_plan.h"
#include "experiments/figures/statistics.h"

namespace moesaic::experiments {
namespace {

constexpr double kEqual = 0.05;  // times closer than this have no winner

Cluster cluster_of(const Links& links, const Shape& shape) {
  Cluster cluster;
  cluster.name = links.name;
  cluster.num_nodes = shape.nodes;
  cluster.devices_per_node = shape.devices_per_node;
  cluster.nics_per_node = links.card_per_device ? shape.devices_per_node : 1;
  cluster.intra_node = links.intra_node;
  cluster.nic = links.nic;
  // Only regroupings are priced by these: a core copies at 10 GB/s (assumed).
  cluster.host_memory_bandwidth_bytes_per_s = 1e10;
  cluster.device.name = "core";
  cluster.device.memory_bytes = int64_t{1} << 34;
  cluster.device.memory_bandwidth_bytes_per_s = 1e10;
  cluster.device.peak_f32_flops_per_s = cluster.device.peak_bf16_flops_per_s = 1e11;
  return cluster;
}

const char* winner(double flat, double hierarchical) {
  if (std::abs(flat - hierarchical) <= kEqual * std::min(flat, hierarchical)) return "equal";
  return flat < hierarchical ? "flat" : "hierarchical";
}

/// Seconds of all rounds of one algorithm.
struct Samples {
  std::vector<double> seconds;
  int64_t messages = 0, bytes = 0;

  void add(const Json& document) {
    for (const Json& value : document["seconds"]) seconds.push_back(value.get<double>());
    messages = document["inter_node_messages"].get<int64_t>();
    bytes = document["inter_node_bytes"].get<int64_t>();
  }
  Json document() const {
    return {{"median_s", median(seconds)},
            {"quartile_1_s", percentile(seconds, 0.25)},
            {"quartile_3_s", percentile(seconds, 0.75)},
            {"inter_node_messages", messages},
            {"inter_node_bytes", bytes}};
  }
};

struct Row {
  const Links* links;
  Shape shape;
  Bytes pair_bytes;
  Plan plan;
  Samples flat, hierarchical;
};

class Study {
 public:
  Study(const ExchangeStudy& study, const ExchangeHooks& hooks) : study_(study), hooks_(hooks) {
    for (const Links& links : study.links)
      for (const Shape& shape : study.shapes)
        for (const Bytes bytes : study.pair_bytes)
          rows_.push_back(
              {&links, shape, bytes, exchange_plan(cluster_of(links, shape), bytes, AllToAllKind::flat), {}, {}});
  }

  Json run() {
    measure();
    Json rows = Json::array();
    for (const Row& row : rows_)
      if (!row.flat.seconds.empty()) rows.push_back(document_of(row));
    return {{"kind", "moesaic.result/1"},        {"experiment", study_.name}, {"rounds", study_.rounds},
            {"repetitions", study_.repetitions}, {"summary", summary(rows)},  {"rows", rows}};
  }

 private:
  /// One job measures all sizes of one shape; rounds are apart in time, so that a slow minute meets all alike.
  void measure() {
    const size_t sizes = study_.pair_bytes.size();
    const int jobs = static_cast<int>(rows_.size() / sizes) * study_.rounds;
    int done = 0;
    for (int round = 0; round < study_.rounds; ++round)
      for (size_t first = 0; first < rows_.size(); first += sizes) {
        std::vector<Plan> plans;
        for (size_t i = first; i < first + sizes; ++i) plans.push_back(rows_[i].plan);
        const Json times = hooks_.measure(*rows_[first].links, plans, study_.repetitions);
        for (size_t i = 0; i < times.size(); ++i) {
          rows_[first + i].flat.add(times[i]["flat"]);
          rows_[first + i].hierarchical.add(times[i]["hierarchical"]);
        }
        hooks_.progress(++done, jobs);
      }
  }

  /// Of the links as they are, and as if only latency and bytes cost time.
  Json prediction(const Row& row, AllToAllKind kind) const {
    Plan plan = row.plan;
    plan.dispatch.all_to_all = kind;
    const Seconds simulated = dispatch_seconds(hooks_.simulate(plan));
    plan.cluster.nic.message_s = plan.cluster.intra_node.message_s = 0;
    return {{"simulated_s", simulated}, {"without_messages_s", dispatch_seconds(hooks_.simulate(plan))}};
  }

  Json document_of(const Row& row) const {
    const Json flat = prediction(row, AllToAllKind::flat), two = prediction(row, AllToAllKind::hierarchical_2d);
    return {{"links", row.links->name},
            {"nodes", row.shape.nodes},
            {"devices_per_node", row.shape.devices_per_node},
            {"pair_bytes", row.pair_bytes},
            {"measured", {{"flat", row.flat.document()}, {"hierarchical", row.hierarchical.document()}}},
            {"predicted", {{"flat", flat}, {"hierarchical", two}}},
            {"winner",
             {{"measured", winner(median(row.flat.seconds), median(row.hierarchical.seconds))},
              {"simulated", winner(flat["simulated_s"], two["simulated_s"])},
              {"without_messages", winner(flat["without_messages_s"], two["without_messages_s"])}}}};
  }

  /// Per links: who won how often, and how often the predictions name the measured winner.
  Json summary(const Json& rows) const {
    Json summaries = Json::array();
    for (const Links& links : study_.links) {
      int cases = 0, hierarchical = 0, flat = 0, simulated = 0, without_messages = 0;
      std::vector<double> errors;
      for (const Json& row : rows) {
        if (row["links"] != links.name) continue;
        const Json& winners = row["winner"];
        ++cases;
        hierarchical += winners["measured"] == "hierarchical";
        flat += winners["measured"] == "flat";
        simulated += winners["simulated"] == winners["measured"];
        without_messages += winners["without_messages"] == winners["measured"];
        for (const char* kind : {"flat", "hierarchical"})
          errors.push_back(std::abs(row["predicted"][kind]["simulated_s"].get<double>() /
                                        row["measured"][kind]["median_s"].get<double>() -
                                    1));
      }
      summaries.push_back({{"links", links.name}, {"cases", cases}});
      if (cases == 0) continue;
      summaries.back().update({{"hierarchical_wins", hierarchical},
                               {"flat_wins", flat},
                               {"simulated_agrees", simulated},
                               {"simulated_median_error", median(errors)},
                               {"without_messages_agrees", without_messages}});
    }
    return summaries;
  }

  const ExchangeStudy& study_;
  const ExchangeHooks& hooks_;
  std::vector<Row> rows_;
};

Link read_link(ObjectReader reader) {
  Link link{reader["bandwidth_bytes_per_s"].quantity("B/s", kPositive), reader["latency_s"].quantity("s", kNotNegative),
            reader["message_s"].quantity("s", kNotNegative, 0), reader["packet_bytes"].bytes(kBytesRange, 0)};
  reader.finish();
  return link;
}

Links read_links(ObjectReader reader) {
  constexpr const char* kTransports[] = {"threads", "emulated_hosts"};
  Links links;
  links.name = reader["name"].text();
  links.transport = kTransports[reader["transport"].choice(kTransports)];
  links.intra_node = read_link(reader["intra_node"].object());
  links.nic = read_link(reader["nic"].object());
  links.card_per_device = reader["card_per_device"].boolean(false);
  reader.finish();
  if (links.transport == "threads" && links.intra_node.packet_bytes + links.nic.packet_bytes > 0)
    reader.refuse("cuts messages between threads", "no packet_bytes with the transport \"threads\"",
                  "remove packet_bytes");
  return links;
}

Shape read_shape(ObjectReader reader) {
  Shape shape{static_cast<int>(reader["nodes"].integer({2, 64})),
              static_cast<int>(reader["devices_per_node"].integer({1, 64}))};
  reader.finish();
  return shape;
}

}  // namespace

ExchangeStudy read_exchange_study(const Json& json, const std::string& file) {
  ObjectReader reader = open_document(json, file, "", "experiment");
  ExchangeStudy study;
  study.name = reader["name"].text();
  study.question = reader["question"].text();
  study.links = reader["links"].objects(read_links);
  study.shapes = reader["shapes"].objects(read_shape);
  study.pair_bytes = reader["pair_bytes"].each([](const Field& size) {
    return size.bytes({kRowBytes, int64_t{1} << 30});
  });
  study.rounds = static_cast<int>(reader["rounds"].integer({1, 100}));
  study.repetitions = static_cast<int>(reader["repetitions"].integer({1, 10000}));
  reader.finish();
  return study;
}

Json run_exchange_study(const ExchangeStudy& study, const ExchangeHooks& hooks) { return Study(study, hooks).run(); }

}  // namespace moesaic::experiments
