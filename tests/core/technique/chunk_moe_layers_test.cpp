#include <gtest/gtest.h>

#include <map>

#include "core/graph/routing_binding.h"
#include "core/technique/lower.h"
#include "tests/core/graph/tiny_plan.h"

namespace moesaic {
namespace {

using testing::labels_of;
using testing::tiny_plan;
using Labels = std::vector<std::string>;

Plan chunked(int ranks, int ep, int chunks) {
  Plan plan = tiny_plan(ranks, ep);
  plan.dispatch.chunks = chunks;
  plan.routing.generator = {1.2, 5, true};
  return plan;
}

/// Labels from `first` to the next `last`, both included.
Labels between(const Labels& labels, const std::string& first, const std::string& last) {
  const auto begin = std::find(labels.begin(), labels.end(), first);
  const auto end = std::find(begin, labels.end(), last);
  return {begin, end + 1};
}

TEST(ChunkMoeLayers, ForwardPutsOnePieceOnTheWireWhileAnotherComputes) {
  const Labels labels = labels_of(lower(chunked(2, 2, 2)));
  const std::string layer = "layer 0 / forward / ";
  EXPECT_EQ(between(labels, layer + "exchange counts", "forward / final_norm"),
            (Labels{layer + "exchange counts", layer + "permute / chunk 0", layer + "permute / chunk 1",
                    layer + "dispatch / chunk 0", layer + "dispatch / chunk 1", layer + "dispatch regroup / chunk 0",
                    layer + "experts / chunk 0", layer + "combine regroup / chunk 0",
                    layer + "dispatch regroup / chunk 1", layer + "experts / chunk 1",
                    layer + "combine regroup / chunk 1", layer + "combine / chunk 0", layer + "combine / chunk 1",
                    layer + "unpermute / chunk 0", layer + "unpermute / chunk 1", "forward / final_norm"}));
}

TEST(ChunkMoeLayers, BackwardKeepsWeightGradientsWhole) {
  const Labels labels = labels_of(lower(chunked(2, 2, 2)));
  const std::string layer = "layer 0 / backward / ";
  EXPECT_EQ(between(labels, layer + "unpermute / chunk 0", layer + "norm2"),
            (Labels{layer + "unpermute / chunk 0", layer + "unpermute / chunk 1", layer + "combine gradient / chunk 0",
                    layer + "combine gradient / chunk 1", layer + "combine gradient regroup / chunk 0",
                    layer + "experts dgrad / chunk 0", layer + "dispatch gradient regroup / chunk 0",
                    layer + "combine gradient regroup / chunk 1", layer + "experts dgrad / chunk 1",
                    layer + "dispatch gradient regroup / chunk 1", layer + "dispatch gradient / chunk 0",
                    layer + "dispatch gradient / chunk 1", layer + "experts wgrad", layer + "router",
                    "backward / reduce layers.0.router", layer + "permute / chunk 0", layer + "permute / chunk 1",
                    layer + "norm2"}));
}

// counts, then {received, activated, d_out, d_hidden} of every chunk.
TEST(ChunkMoeLayers, WeightGradientsReadAllPiecesChunkByChunk) {
  const TaskGraph graph = lower(chunked(2, 2, 2));
  const Task& wgrad = graph.tasks[testing::find_task(graph, "layer 0 / backward / experts wgrad")];
  Labels names;
  for (const TensorId tensor : wgrad.reads) names.push_back(graph.tensors[tensor].name);
  EXPECT_EQ(names, (Labels{"layers.0.counts", "layers.0.dispatch.grouped.chunk0", "layers.0.expert_activated.chunk0",
                           "layers.0.combine gradient.grouped.chunk0", "layers.0.d_expert_hidden.chunk0",
                           "layers.0.dispatch.grouped.chunk1", "layers.0.expert_activated.chunk1",
                           "layers.0.combine gradient.grouped.chunk1", "layers.0.d_expert_hidden.chunk1"}));
}

/// Rows of each operator and phase on each rank, summed over chunks.
std::map<std::tuple<int, Phase, Op>, int64_t> rows_by_operator(const Plan& plan) {
  const TaskGraph graph = lower(plan);
  const RoutingBinding binding(plan);
  std::map<std::tuple<int, Phase, Op>, int64_t> rows;
  for (int rank = 0; rank < graph.num_ranks; ++rank)
    for (const Task& task : graph.tasks)
      if (task.rows != Rows::fixed) rows[{rank, task.phase, task.op}] += binding.rows(task, rank, 0);
  return rows;
}

TEST(ChunkMoeLayers, PiecesHoldAllRows) {
  const auto whole = rows_by_operator(chunked(4, 4, 1));
  EXPECT_EQ((whole.at({0, Phase::forward, Op::permute})), 8);
  for (const int chunks : {2, 3, 4}) EXPECT_EQ(rows_by_operator(chunked(4, 4, chunks)), whole);
}

// Nothing travels, so no network task separates the pieces; weight gradients still come after all of them.
TEST(ChunkMoeLayers, ARankWithAllExpertsCanBeCutToo) {
  for (const int ranks : {1, 2}) {
    EXPECT_EQ(rows_by_operator(chunked(ranks, 1, 4)), rows_by_operator(chunked(ranks, 1, 1)));
    const std::string layer = "layer 0 / backward / ";
    EXPECT_EQ(between(labels_of(lower(chunked(ranks, 1, 2))), layer + "unpermute / chunk 0", layer + "experts wgrad"),
              (Labels{layer + "unpermute / chunk 0", layer + "experts dgrad / chunk 0", layer + "unpermute / chunk 1",
                      layer + "experts dgrad / chunk 1", layer + "experts wgrad"}));
  }
}

}  // namespace
}  // namespace moesaic
