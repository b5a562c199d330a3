#include "experiments/04_when_does_hierarchical_all_to_all_win/study.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/schema/object_reader.h"
#include "experiments/figures/statistics.h"
#include "experiments/laboratory/exchange_plan.h"

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

/// Adds one round's samples to those of the rounds before.
void add(const ExchangeSamples& round, ExchangeSamples& all) {
  all.seconds.insert(all.seconds.end(), round.seconds.begin(), round.seconds.end());
  all.inter_node_messages = round.inter_node_messages;
  all.inter_node_bytes = round.inter_node_bytes;
}

MeasuredExchange measured_of(const ExchangeSamples& samples) {
  return {median(samples.seconds), percentile(samples.seconds, 0.25), percentile(samples.seconds, 0.75),
          samples.inter_node_messages, samples.inter_node_bytes};
}

struct Case {
  const Links* links;
  Shape shape;
  Bytes pair_bytes;
  Plan plan;
  ExchangeTimes times;  // of all rounds; without samples where it could not be measured
};

PredictedExchange predicted_of(const Case& one, AllToAllKind kind, const Laboratory& laboratory) {
  Plan plan = one.plan;
  plan.dispatch.all_to_all = kind;
  const Seconds simulated = dispatch_seconds(laboratory.simulate(plan));
  plan.cluster.nic.message_s = plan.cluster.intra_node.message_s = 0;
  return {simulated, dispatch_seconds(laboratory.simulate(plan))};
}

ExchangeRow row_of(const Case& one, const Laboratory& laboratory) {
  const OfBoth<MeasuredExchange> measured{measured_of(one.times.flat), measured_of(one.times.hierarchical)};
  const PredictedExchange flat = predicted_of(one, AllToAllKind::flat, laboratory),
                          two = predicted_of(one, AllToAllKind::hierarchical_2d, laboratory);
  return {one.links->name,
          one.shape.nodes,
          one.shape.devices_per_node,
          one.pair_bytes,
          measured,
          {flat, two},
          {winner(measured.flat.median_s, measured.hierarchical.median_s), winner(flat.simulated_s, two.simulated_s),
           winner(flat.without_messages_s, two.without_messages_s)}};
}

LinksSummary summary_of(const std::string& links, const std::vector<ExchangeRow>& rows) {
  LinksSummary summary;
  summary.links = links;
  std::vector<double> errors;
  const auto add_error = [&](const PredictedExchange& predicted, const MeasuredExchange& measured) {
    errors.push_back(std::abs(predicted.simulated_s / measured.median_s - 1));
  };
  for (const ExchangeRow& row : rows) {
    if (row.links != links) continue;
    ++summary.cases;
    summary.hierarchical_wins += row.winner.measured == "hierarchical";
    summary.flat_wins += row.winner.measured == "flat";
    summary.simulated_agrees += row.winner.simulated == row.winner.measured;
    summary.without_messages_agrees += row.winner.without_messages == row.winner.measured;
    add_error(row.predicted.flat, row.measured.flat);
    add_error(row.predicted.hierarchical, row.measured.hierarchical);
  }
  if (summary.cases > 0) summary.simulated_median_error = median(errors);
  return summary;
}

std::vector<Case> cases_of(const ExchangeAxes& axes) {
  std::vector<Case> cases;
  for (const Links& links : axes.links)
    for (const Shape& shape : axes.shapes)
      for (const Bytes bytes : axes.pair_bytes)
        cases.push_back({&links, shape, bytes, exchange_plan(cluster_of(links, shape), bytes, AllToAllKind::flat), {}});
  return cases;
}

/// One job measures all sizes of one shape; rounds are apart in time, so that a slow minute meets all alike.
void measure(const ExchangeAxes& axes, const Laboratory& laboratory, std::vector<Case>& cases) {
  const size_t sizes = axes.pair_bytes.size();
  const int jobs = static_cast<int>(cases.size() / sizes) * axes.rounds;
  int done = 0;
  for (int round = 0; round < axes.rounds; ++round)
    for (size_t first = 0; first < cases.size(); first += sizes) {
      std::vector<Plan> plans;
      for (size_t i = first; i < first + sizes; ++i) plans.push_back(cases[i].plan);
      const std::vector<ExchangeTimes> times =
          laboratory.exchange(plans, cases[first].links->transport, axes.repetitions);
      for (size_t i = 0; i < times.size(); ++i) {
        add(times[i].flat, cases[first + i].times.flat);
        add(times[i].hierarchical, cases[first + i].times.hierarchical);
      }
      laboratory.progress(++done, jobs, "jobs");
    }
}

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
  links.transport = static_cast<Transport>(reader["transport"].choice(kTransports));
  links.intra_node = read_link(reader["intra_node"].object());
  links.nic = read_link(reader["nic"].object());
  links.card_per_device = reader["card_per_device"].boolean(false);
  reader.finish();
  if (links.transport == Transport::threads && links.intra_node.packet_bytes + links.nic.packet_bytes > 0)
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

ExchangeAxes read_exchange_axes(const Json& json, const std::string& file) {
  ObjectReader reader = open_experiment(json, file);
  ExchangeAxes axes;
  axes.name = reader["name"].text();
  axes.links = reader["links"].objects(read_links);
  axes.shapes = reader["shapes"].objects(read_shape);
  axes.pair_bytes = reader["pair_bytes"].each([](const Field& size) {
    return size.bytes({kRowBytes, int64_t{1} << 30});
  });
  axes.rounds = static_cast<int>(reader["rounds"].integer({1, 100}));
  axes.repetitions = static_cast<int>(reader["repetitions"].integer({1, 10000}));
  reader.finish();
  return axes;
}

ExchangeResult run_exchange_study(const ExchangeAxes& axes, const Laboratory& laboratory) {
  std::vector<Case> cases = cases_of(axes);
  measure(axes, laboratory, cases);
  ExchangeResult result{axes.name, axes.rounds, axes.repetitions, {}, {}};
  for (const Case& one : cases)
    if (!one.times.flat.seconds.empty()) result.rows.push_back(row_of(one, laboratory));
  for (const Links& links : axes.links) result.summary.push_back(summary_of(links.name, result.rows));
  return result;
}

const Study kExchangeStudy =
    typed_study<read_exchange_axes, run_exchange_study, exchange_tables>("hierarchical_all_to_all");

}  // namespace moesaic::experiments
