#include "core/timeline/memory_series.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "core/graph/stages.h"
#include "core/timeline/breakdown.h"

namespace moesaic {
namespace {

Bytes capacity_of(const Cluster& cluster, Tier tier) {
  switch (tier) {
    case Tier::device:
      return cluster.device.usable_memory_bytes();
    case Tier::host:
      return cluster.host_memory_bytes;
    case Tier::storage:
      return cluster.storage_bytes;
  }
  return 0;
}

/// M4 (Jugel et al., VLDB 2014): of each stretch of time the first, least, most and last sample, in order. [samples]
std::vector<MemorySample> thinned(const std::vector<MemorySample>& samples, size_t max_points) {
  if (samples.size() <= max_points) return samples;
  const auto stretches = static_cast<double>(std::max<size_t>(max_points / 4, 1));
  const Seconds begin = samples.front().time, length = samples.back().time - begin;
  const auto stretch_of = [&](const MemorySample& sample) {
    return length > 0 ? std::min(static_cast<int64_t>((sample.time - begin) / length * stretches),
                                 static_cast<int64_t>(stretches) - 1)
                      : 0;
  };
  const auto lower = [](const MemorySample& a, const MemorySample& b) { return a.bytes < b.bytes; };
  std::vector<MemorySample> kept;
  for (auto first = samples.begin(); first != samples.end();) {
    const auto end =
        std::find_if(first, samples.end(), [&](const MemorySample& s) { return stretch_of(s) != stretch_of(*first); });
    auto least = std::min_element(first, end, lower), most = std::max_element(first, end, lower), last = end - 1;
    auto positions = {first, std::min(least, most), std::max(least, most), last};
    auto before = samples.end();
    for (auto position : positions)
      if (std::exchange(before, position) != position) kept.push_back(*position);
    first = end;
  }
  return kept;
}

MemoryCurve curve_of(int rank, std::vector<MemorySample> samples, size_t max_points) {
  std::stable_sort(samples.begin(), samples.end(),
                   [](const MemorySample& a, const MemorySample& b) { return a.time < b.time; });
  MemoryCurve curve;
  curve.rank = rank;
  for (const MemorySample& sample : samples)
    if (sample.bytes > curve.peak_bytes) curve.peak_bytes = sample.bytes, curve.peak_time_s = sample.time;
  for (const MemorySample& sample : thinned(samples, max_points)) {
    curve.time_s.push_back(sample.time);
    curve.bytes.push_back(sample.bytes);
  }
  return curve;
}

}  // namespace

Bytes TierMemory::held_bytes() const {
  Bytes sum = 0;
  for (const auto& [kind, bytes] : held) sum += bytes;
  return sum;
}

std::vector<TierMemory> tier_memories(const TaskGraph& graph, const Cluster& cluster, int rank) {
  const std::vector<bool> elsewhere = held_elsewhere(graph, graph.stage_of(rank));
  std::map<std::pair<Tier, TensorKind>, Bytes> held;  // of the rank
  for (size_t i = 0; i < graph.tensors.size(); ++i) {
    const Tensor& tensor = graph.tensors[i];
    if (tensor.kind != TensorKind::activation && tensor.view_of < 0 && !elsewhere[i])
      held[{tensor.tier, tensor.kind}] += bytes_of(tensor.dtype, tensor.fixed_rows * tensor.row_elements);
  }
  std::vector<TierMemory> tiers;
  for (const Tier tier : {Tier::device, Tier::host, Tier::storage}) {
    TierMemory memory{tier,
                      tier == Tier::device ? 1 : std::min(cluster.devices_per_node, graph.num_ranks),
                      capacity_of(cluster, tier),
                      {}};
    for (const auto& [of, bytes] : held)
      if (of.first == tier && bytes > 0) memory.held.emplace_back(of.second, memory.ranks * bytes);
    if (tier == Tier::device || !memory.held.empty()) tiers.push_back(std::move(memory));
  }
  return tiers;
}

int rank_of_peak(const Timeline& timeline) {
  const auto lower = [](const MemorySample& a, const MemorySample& b) {
    return std::pair(a.bytes, -a.rank) < std::pair(b.bytes, -b.rank);
  };
  const auto highest = std::max_element(timeline.memory.begin(), timeline.memory.end(), lower);
  return highest == timeline.memory.end() ? 0 : highest->rank;
}

std::vector<MemoryCurve> memory_curves(const Timeline& timeline, size_t max_points) {
  std::map<int, std::vector<MemorySample>> by_rank;
  for (const MemorySample& sample : timeline.memory) by_rank[sample.rank].push_back(sample);
  std::vector<MemoryCurve> curves;
  for (auto& [rank, samples] : by_rank) curves.push_back(curve_of(rank, std::move(samples), max_points));
  std::stable_sort(curves.begin(), curves.end(),
                   [](const MemoryCurve& a, const MemoryCurve& b) { return a.peak_bytes > b.peak_bytes; });
  return curves;
}

Json write_memory(const Timeline& timeline, const std::vector<TierMemory>& tiers, size_t max_points) {
  const std::vector<MemoryCurve> curves = memory_curves(timeline, max_points);
  Json json = Json::object();
  for (const TierMemory& tier : tiers) {
    if (tier.tier == Tier::device ? curves.empty() : timeline.measured) continue;
    const Bytes held = tier.held_bytes();
    const MemoryCurve curve =
        tier.tier == Tier::device ? curves.front() : MemoryCurve{0, held, 0, {0, span_of(timeline)}, {held, held}};
    Json by_kind = Json::object();
    for (const auto& [kind, bytes] : tier.held) by_kind[name_of_held(tier.tier, kind)] = bytes;
    json[name_of(tier.tier)] = {{"first_rank", curve.rank},
                                {"ranks", tier.ranks},
                                {"capacity_bytes", tier.capacity_bytes},
                                {"peak_bytes", curve.peak_bytes},
                                {"peak_time_s", curve.peak_time_s},
                                {"held_bytes", std::move(by_kind)},
                                {"time_s", curve.time_s},
                                {"bytes", curve.bytes}};
  }
  return json;
}

std::string name_of_held(Tier tier, TensorKind kind) {
  constexpr const char* kNames[] = {"parameters", "gradients", "optimizer states", "activations", "inputs"};
  if (tier == Tier::device) return kNames[static_cast<size_t>(kind)];
  return kind == TensorKind::gradient ? "expert gradients" : "expert states";
}

}  // namespace moesaic
