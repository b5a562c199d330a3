#include <algorithm>
#include <map>
#include <tuple>

#include "core/technique/technique.h"

namespace moesaic {
namespace {

bool is_cut(const Task& task) {
  if (task.op == Op::all_to_all) return is_routed(task.leg);
  return family_of(task.op) == Family::row_movers || (is_experts(task.op) && task.op != Op::experts_wgrad);
}

/// The tasks of one MoE layer in one phase of one microbatch, from the first that is cut to the last: [begin, end).
struct Region {
  size_t begin = 0, end = 0;
};

std::vector<Region> regions_of(const TaskGraph& graph) {
  std::map<std::tuple<int, Phase, int>, Region> found;
  for (size_t i = 0; i < graph.tasks.size(); ++i) {
    const Task& task = graph.tasks[i];
    if (!is_cut(task)) continue;
    Region& region = found.try_emplace({task.microbatch, task.phase, task.moe_layer}, Region{i, i}).first->second;
    region.end = i + 1;
  }
  std::vector<Region> regions;
  for (const auto& [key, region] : found) regions.push_back(region);
  std::sort(regions.begin(), regions.end(), [](const Region& a, const Region& b) { return a.begin < b.begin; });
  return regions;
}

class Chunker {
 public:
  Chunker(TaskGraph& graph, int chunks) : graph_(graph), chunks_(chunks) {}

  void run() {
    std::vector<Task> tasks;
    size_t next = 0;
    for (const Region& region : regions_of(graph_)) {
      for (; next < region.begin; ++next) tasks.push_back(whole(graph_.tasks[next]));
      rewrite(region, tasks);
      next = region.end;
    }
    for (; next < graph_.tasks.size(); ++next) tasks.push_back(whole(graph_.tasks[next]));
    graph_.tasks = std::move(tasks);
  }

 private:
  /// Between two network tasks all chunks pass one after the other, so that chunk c+1 is on the wire while chunk c
  /// computes. A task that is not cut stays between its neighbours: it may need all their chunks.
  void rewrite(const Region& region, std::vector<Task>& out) {
    size_t begin = region.begin;
    while (begin < region.end) {
      size_t end = begin + 1;
      if (!is_cut(graph_.tasks[begin])) {
        out.push_back(whole(graph_.tasks[begin]));
        begin = end;
        continue;
      }
      const bool network = graph_.tasks[begin].lane == Lane::network;
      while (end < region.end && is_cut(graph_.tasks[end]) && (graph_.tasks[end].lane == Lane::network) == network)
        ++end;
      for (int chunk = 0; chunk < chunks_; ++chunk)
        for (size_t i = begin; i < end; ++i) out.push_back(piece(graph_.tasks[i], chunk));
      begin = end;
    }
  }

  Task piece(Task task, int chunk) {
    task.label += " / chunk " + std::to_string(chunk);
    task.chunk = chunk;
    task.num_chunks = chunks_;
    for (TensorId& tensor : task.reads)
      tensor = pieces_of(tensor)[static_cast<size_t>(pieces_of(tensor).size() == 1 ? 0 : chunk)];
    for (TensorId& tensor : task.writes)
      tensor = pieces_of(tensor)[static_cast<size_t>(pieces_of(tensor).size() == 1 ? 0 : chunk)];
    return task;
  }

  /// A task that is not cut reads all pieces: operand groups repeat per chunk, [chunk][operand].
  Task whole(Task task) {
    std::vector<TensorId> cut, uncut;
    for (TensorId tensor : task.reads) (pieces_of(tensor).size() == 1 ? uncut : cut).push_back(tensor);
    if (cut.empty()) return task;
    task.reads = uncut;
    for (int chunk = 0; chunk < chunks_; ++chunk)
      for (TensorId tensor : cut) task.reads.push_back(pieces_of(tensor)[static_cast<size_t>(chunk)]);
    return task;
  }

  /// The chunks of a tensor whose rows routing decides; any other tensor is its only piece.
  const std::vector<TensorId>& pieces_of(TensorId tensor) {
    const auto [entry, fresh] = pieces_.try_emplace(tensor);
    if (!fresh) return entry->second;
    const Tensor original = graph_.tensors[static_cast<size_t>(tensor)];
    if (original.rows == Rows::fixed || original.rows == Rows::local) return entry->second = {tensor};
    for (int chunk = 0; chunk < chunks_; ++chunk) {
      Tensor clone = original;
      clone.name += ".chunk" + std::to_string(chunk);
      clone.chunk = chunk;
      clone.num_chunks = chunks_;
      graph_.tensors.push_back(clone);
      entry->second.push_back(static_cast<TensorId>(graph_.tensors.size()) - 1);
    }
    return entry->second;
  }

  TaskGraph& graph_;
  const int chunks_;
  std::map<TensorId, std::vector<TensorId>> pieces_;
};

}  // namespace

void chunk_moe_layers(TaskGraph& graph, const Plan& plan) {
  graph.num_chunks = plan.dispatch.chunks;
  if (plan.dispatch.chunks > 1) Chunker(graph, plan.dispatch.chunks).run();
}

}  // namespace moesaic
