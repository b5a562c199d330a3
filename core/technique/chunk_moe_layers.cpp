#include <algorithm>
#include <map>
#include <tuple>

#include "core/graph/edit.h"
#include "core/schema/error.h"
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
    GraphEdit edit(graph_);
    size_t next = 0;
    const auto keep_whole = [&](size_t end) {
      for (; next < end; ++next) read_all_pieces(graph_.tasks[next]);
    };
    for (const Region& region : regions_of(graph_)) {
      keep_whole(region.begin);
      while (next < region.end) {
        if (is_cut(graph_.tasks[next])) {
          const size_t end = end_of_stretch(next, region.end);
          cut(next, end, edit);
          next = end;
        } else {
          keep_whole(next + 1);
        }
      }
    }
    keep_whole(graph_.tasks.size());
    edit.apply();
  }

 private:
  /// Behind the tasks from `begin` on that are cut and share its kind of lane.
  size_t end_of_stretch(size_t begin, size_t limit) const {
    const auto on_network = [&](size_t i) { return graph_.tasks[i].lane == Lane::network; };
    size_t end = begin + 1;
    while (end < limit && is_cut(graph_.tasks[end]) && on_network(end) == on_network(begin)) ++end;
    return end;
  }

  /// Between two network tasks all chunks pass one after the other, so that chunk c+1 is on the wire while chunk c
  /// computes. A task that is not cut stays between its neighbours: it may need all their chunks.
  void cut(size_t begin, size_t end, GraphEdit& edit) {
    for (int chunk = 0; chunk < chunks_; ++chunk)
      for (size_t i = begin; i < end; ++i) edit.before(TaskIndex(begin), piece(graph_.tasks[i], chunk));
    for (size_t i = begin; i < end; ++i) edit.remove(TaskIndex(i));
  }

  Task piece(Task task, int chunk) {
    task.label += " / chunk " + std::to_string(chunk);
    task.chunk = chunk;
    task.num_chunks = chunks_;
    for (TensorId& tensor : task.reads) tensor = piece_of(tensor, chunk);
    for (TensorId& tensor : task.writes) tensor = piece_of(tensor, chunk);
    return task;
  }

  /// A task that is not cut reads all pieces: the group of its reads that repeats stands once for each chunk.
  void read_all_pieces(Task& task) {
    const std::vector<TensorId> reads = task.reads;
    const auto [first, size] = facts_of(task.op).repeated_reads;
    const size_t repeated = size == 0 ? reads.size() : first;
    if (std::all_of(reads.begin(), reads.end(), [&](TensorId tensor) { return pieces_of(tensor).size() == 1; })) return;
    MOESAIC_CHECK(reads.size() == repeated + size, "task '" + task.label + "' cannot read its rows in pieces");
    task.reads.resize(repeated);
    for (int chunk = 0; chunk < chunks_; ++chunk)
      for (size_t i = repeated; i < reads.size(); ++i) task.reads.push_back(piece_of(reads[i], chunk));
  }

  /// The chunks of a tensor whose rows routing decides; any other tensor is its only piece.
  const std::vector<TensorId>& pieces_of(TensorId tensor) {
    const auto [entry, fresh] = pieces_.try_emplace(tensor);
    if (!fresh) return entry->second;
    const Tensor original = graph_.tensors[tensor];
    if (original.rows == Rows::fixed || original.rows == Rows::local) return entry->second = {tensor};
    for (int chunk = 0; chunk < chunks_; ++chunk) {
      Tensor clone = original;
      clone.name += ".chunk" + std::to_string(chunk);
      clone.chunk = chunk;
      clone.num_chunks = chunks_;
      entry->second.push_back(graph_.add(std::move(clone)));
    }
    return entry->second;
  }

  TensorId piece_of(TensorId tensor, int chunk) {
    const std::vector<TensorId>& pieces = pieces_of(tensor);
    return pieces[pieces.size() == 1 ? 0 : static_cast<size_t>(chunk)];
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
