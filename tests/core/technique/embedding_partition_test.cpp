#include <gtest/gtest.h>

#include <map>

#include "core/graph/holdings.h"
#include "core/graph/memory.h"
#include "core/technique/lower.h"
#include "tests/core/graph/tiny_plan.h"

namespace moesaic {
namespace {

using testing::find_task;
using testing::tiny_plan;

Plan untied(int ranks, int ep, Embedding embedding) {
  Plan plan = tiny_plan(ranks, ep);
  plan.model.tied_embeddings = false;
  plan.embedding = embedding;
  check_plan(plan, "test");
  return plan;
}

TaskGraph partitioned(int ranks, int ep) { return lower(untied(ranks, ep, Embedding::column_partition)); }

const Task& task_named(const TaskGraph& graph, const std::string& label) {
  return graph.tasks.at(find_task(graph, label));
}

TEST(EmbeddingPartition, TakesThreeExchangesAndNoReduction) {
  std::vector<std::string> labels;
  for (const Task& task : partitioned(2, 2).tasks)
    if (task.label.find("embed") != std::string::npos) labels.push_back(task.label);
  EXPECT_EQ(labels, (std::vector<std::string>{"forward / embed / gather tokens", "forward / embed",
                                              "forward / embed / exchange columns", "forward / embed / join columns",
                                              "backward / embed / split columns", "backward / embed / exchange columns",
                                              "backward / embed", "update / check gradients from embedding",
                                              "update / adamw embedding"}));
}

// 4 sequences of 4 tokens on 2 ranks: 8 tokens each, 16 together; 4 of 8 columns of f32. A rank tells its 8 ids of 4
// bytes, sends 8 rows of 4 * 4 bytes to each rank, and updates [16, 4] elements.
TEST(EmbeddingPartition, MovesColumnsOfTheOwnTokens) {
  const TaskGraph graph = partitioned(2, 2);
  EXPECT_EQ(task_named(graph, "forward / embed / gather tokens").bytes, 32);
  for (const char* label : {"forward / embed / exchange columns", "backward / embed / exchange columns"}) {
    const Task& exchange = task_named(graph, label);
    EXPECT_EQ(exchange.bytes_per_row, 16);
    for (int rank : {0, 1}) EXPECT_EQ(graph.rows_between(exchange.leg, rank, 1 - rank), 8);
  }
  for (const char* label : {"forward / embed", "backward / embed"}) {
    EXPECT_EQ(task_named(graph, label).fixed_rows, 16);
    EXPECT_EQ(task_named(graph, label).shape.k, 4);
  }
  EXPECT_EQ(task_named(graph, "update / adamw embedding").fixed_rows, 64);
}

TEST(EmbeddingPartition, SendsAsManyRowsAsTheOwnerOfTheTokensHas) {
  TaskGraph graph;
  graph.num_ranks = 3;
  graph.local_tokens = {5, 7, 9};
  EXPECT_EQ(graph.rows_between(Leg::columns_out, 0, 2), 9);
  EXPECT_EQ(graph.rows_between(Leg::columns_back, 0, 2), 5);
}

// Weight, gradient and two moments of 16 * 8 elements of 4 bytes each: 2048, of which 4 ranks keep a quarter.
TEST(EmbeddingPartition, KeepsAShareOfEveryState) {
  const Bytes replicated = resident_bytes(lower(untied(4, 2, Embedding::replicated)));
  EXPECT_EQ(replicated - resident_bytes(partitioned(4, 2)), 2048 * 3 / 4);
}

// Rank 1 of 2 holds elements 4 to 7 of each of the 16 rows of 8.
TEST(EmbeddingPartition, HoldsColumns) {
  const TaskGraph graph = partitioned(2, 2);
  EXPECT_EQ(pieces_of(graph, graph.parameters[0], 1), (std::vector<Piece>{{"embedding", 4, 8, 0, 4, 4, 16}}));
}

TEST(EmbeddingPartition, GivesEveryElementOnePrimary) {
  for (int zero : {0, 1, 2, 3}) {
    Plan plan = untied(4, 2, Embedding::column_partition);
    plan.layout.zero = zero;
    const TaskGraph graph = lower(plan);
    for (State state : {State::weight, State::first_moment, State::second_moment}) {
      std::map<std::string, int64_t> elements;
      for (int rank = 0; rank < 4; ++rank)
        for (const Holding& holding : holdings_of(graph, rank, state))
          for (const Piece& piece : holding.pieces)
            if (holding.primary) elements[piece.tensor] += piece.elements();
      EXPECT_EQ(elements["embedding"], 128);
      EXPECT_EQ(elements["head"], 128);
      EXPECT_EQ(elements["layers.0.qkv"], 192);
    }
  }
}

Plan tied(int ranks, int ep, Embedding embedding) {
  Plan plan = tiny_plan(ranks, ep);
  plan.embedding = embedding;
  check_plan(plan, "test");
  return plan;
}

// One gather, used forward and backward; one sum, of the whole gradient. The gather waits for what the last layer
// reads.
TEST(TiedHead, GathersTheTableAndScattersItsGradient) {
  const TaskGraph graph = lower(tied(2, 2, Embedding::column_partition));
  std::vector<std::string> labels;
  for (const Task& task : graph.tasks)
    if (task.label.find("head") != std::string::npos || task.label.find("backward / embed") != std::string::npos)
      labels.push_back(task.label);
  EXPECT_EQ(labels, (std::vector<std::string>{
                        "forward / head / gather table", "forward / head / join columns", "forward / head",
                        "backward / head dgrad", "backward / head wgrad / clear gradient", "backward / head wgrad",
                        "backward / head wgrad / split columns", "backward / head wgrad / reduce columns",
                        "backward / embed / add head", "backward / embed / split columns",
                        "backward / embed / exchange columns", "backward / embed"}));
  const TaskIndex gather = find_task(graph, "forward / head / gather table");
  const Task& next = graph.tasks[gather.value() + 1];
  EXPECT_EQ(next.label, "layer 0 / forward / norm1");
  EXPECT_EQ(graph.tasks[gather].layer, next.layer);
  EXPECT_EQ(graph.tasks[gather].after, std::vector<TensorId>{next.reads[0]});
}

// [16, 8] of f32 on 2 ranks: 16 * 4 * 4 bytes of each rank.
TEST(TiedHead, MovesTheTableOnceEachWay) {
  const TaskGraph graph = lower(tied(2, 2, Embedding::column_partition));
  EXPECT_EQ(task_named(graph, "forward / head / gather table").bytes, 256);
  EXPECT_EQ(task_named(graph, "backward / head wgrad / reduce columns").bytes, 256);
  EXPECT_EQ(task_named(graph, "backward / embed / add head").fixed_rows, 64);
}

// As an untied one: nothing of the whole table stays.
TEST(TiedHead, KeepsAShareOfEveryState) {
  EXPECT_EQ(resident_bytes(lower(tied(4, 2, Embedding::replicated))) -
                resident_bytes(lower(tied(4, 2, Embedding::column_partition))),
            2048 * 3 / 4);
}

TEST(EmbeddingPartition, ChangesNothingOnOneRank) {
  EXPECT_EQ(testing::labels_of(partitioned(1, 1)), testing::labels_of(lower(untied(1, 1, Embedding::replicated))));
}

}  // namespace
}  // namespace moesaic
