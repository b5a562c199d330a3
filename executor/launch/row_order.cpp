#include "executor/launch/row_order.h"

#include "core/schema/error.h"

namespace moesaic::executor {
namespace {

/// [outer][inner] -> [inner][outer] with rows(outer, inner) rows each.
template <typename RowsOf>
std::vector<RowSegment> transposed(int outer, int inner, const RowsOf& rows) {
  std::vector<int64_t> from(static_cast<size_t>(outer) * inner);
  int64_t next = 0;
  for (int i = 0; i < outer; ++i)
    for (int j = 0; j < inner; ++j) {
      from[static_cast<size_t>(i) * inner + j] = next;
      next += rows(i, j);
    }
  std::vector<RowSegment> segments;
  segments.reserve(from.size());
  for (int j = 0; j < inner; ++j)
    for (int i = 0; i < outer; ++i) segments.push_back({from[static_cast<size_t>(i) * inner + j], rows(i, j)});
  return segments;
}

}  // namespace

std::vector<RowSegment> regroup_segments(Regroup order, const SlotCounts& counts, int position, int ranks_per_node) {
  const int ranks = counts.num_ranks(), slots = counts.slots_per_rank(), nodes = ranks / ranks_per_node;
  const int node = position / ranks_per_node, local = position % ranks_per_node;
  const auto arrived = [&](int source, int slot) { return counts.at(source, position * slots + slot); };
  const auto sent = [&](int to_node, int to_local) {
    return counts.between(position, to_node * ranks_per_node + to_local);
  };
  const auto relayed = [&](int from_local, int to_node) {
    return counts.between(node * ranks_per_node + from_local, to_node * ranks_per_node + local);
  };
  const auto by_rail = [&](int from_local, int from_node) {
    return counts.between(from_node * ranks_per_node + from_local, position);
  };
  switch (order) {
    case Regroup::to_slots:
      return transposed(ranks, slots, arrived);
    case Regroup::from_slots:
      return transposed(slots, ranks, [&](int slot, int source) { return arrived(source, slot); });
    case Regroup::to_local_major:
      return transposed(nodes, ranks_per_node, sent);
    case Regroup::from_local_major:
      return transposed(ranks_per_node, nodes, [&](int l, int n) { return sent(n, l); });
    case Regroup::relay_out:
      return transposed(ranks_per_node, nodes, relayed);
    case Regroup::relay_back:
      return transposed(nodes, ranks_per_node, [&](int n, int l) { return relayed(l, n); });
    case Regroup::from_rails:
      return transposed(ranks_per_node, nodes, by_rail);
    case Regroup::repeat:
    case Regroup::join_columns:
    case Regroup::split_columns:
    case Regroup::none:
      break;
  }
  throw InvariantError(__FILE__, __LINE__, "order", "not an order of whole rows");
}

/// Places come as [source node][local rank], rows leave as [local rank][source node].
std::vector<RepeatedSegment> repeated_segments(const SlotCounts& counts, int position, int ranks_per_node) {
  const int nodes = counts.num_ranks() / ranks_per_node, node = position / ranks_per_node,
            local = position % ranks_per_node;
  std::vector<int64_t> shifts;  // [source nodes]
  int64_t next = 0;
  for (int from = 0; from < nodes; ++from) {
    const int source = from * ranks_per_node + local;
    shifts.push_back(next);
    for (int earlier = 0; earlier < node; ++earlier) shifts.back() -= counts.once(source, earlier);
    next += counts.once(source, node);
  }
  std::vector<RepeatedSegment> segments;
  for (const RowSegment& places : transposed(nodes, ranks_per_node, [&](int from, int to) {
         return counts.between(from * ranks_per_node + local, node * ranks_per_node + to);
       }))
    segments.push_back({places.from, places.rows, shifts[segments.size() % shifts.size()]});
  return segments;
}

std::vector<ChunkSegment> whole_order(std::span<const SlotCounts> chunks, int position) {
  std::vector<ChunkSegment> segments;
  std::vector<int64_t> next(chunks.size(), 0);
  const int slots = chunks[0].slots_per_rank();
  for (int slot = 0; slot < slots; ++slot)
    for (int source = 0; source < chunks[0].num_ranks(); ++source)
      for (size_t chunk = 0; chunk < chunks.size(); ++chunk) {
        const int64_t rows = chunks[chunk].at(source, position * slots + slot);
        segments.push_back({static_cast<int>(chunk), next[chunk], rows});
        next[chunk] += rows;
      }
  return segments;
}

}  // namespace moesaic::executor
