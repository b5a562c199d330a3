#include "executor/profiling/reuse.h"

#include <gtest/gtest.h>

namespace moesaic::executor {
namespace {

/// Three additions over a weight w: a = x + w, b = a + a2, c = b + w. Tensors of 1, 2, 4, ... elements tell sums apart.
TaskGraph three_tasks() {
  TaskGraph graph;
  const auto tensor = [&](TensorKind kind, Rows rows) {
    const auto id = graph.tensors.next();
    graph.tensors.push_back({"t" + std::to_string(id.value()), kind, DType::f32, rows, 1, int64_t{1} << id.value()});
    return id;
  };
  const TensorId w = tensor(TensorKind::parameter, Rows::fixed), x = tensor(TensorKind::input, Rows::fixed);
  const TensorId a = tensor(TensorKind::activation, Rows::fixed), b = tensor(TensorKind::activation, Rows::sent);
  const TensorId c = tensor(TensorKind::activation, Rows::fixed);
  const auto task = [&](std::vector<TensorId> reads, TensorId write) {
    Task added;
    added.reads = std::move(reads);
    added.writes = {write};
    graph.tasks.push_back(std::move(added));
  };
  task({x, w}, a);
  task({a, x}, b);
  task({b, w}, c);
  return graph;
}

// Elements: w 1, x 2, a 4, b 8 per routed row (3 rows: 24), c 16; 4 bytes each.
//  task 0 reads x: touched by task 1 of the step before; between lies task 2: b + w + c = 24 + 1 + 16 = 41 -> 164
//         reads w: touched by task 2 -> 0
//  task 2 reads b -> 0; w: between lies task 1: a + x + b = 4 + 2 + 24 = 30 -> 120
TEST(Ages, CountDistinctBytesSinceTheLastTouch) {
  const TaskGraph graph = three_tasks();
  EXPECT_EQ(ages_of(graph, 0, 3).reads, (std::vector<Bytes>{164, 0}));
  EXPECT_EQ(ages_of(graph, 1, 3).reads, (std::vector<Bytes>{0, 0}));
  EXPECT_EQ(ages_of(graph, 2, 3).reads, (std::vector<Bytes>{0, 120}));
  for (TaskIndex task : {0, 1, 2}) EXPECT_EQ(ages_of(graph, task, 3).writes, (std::vector<Bytes>{kFresh}));
}

// Of three ages the second largest: x/a/b 164, 0, 0 -> 0; w/x/w 0, 0, 120 -> 0.
TEST(Ages, OfASignatureAreMedians) {
  EXPECT_EQ(typical_ages(three_tasks(), signature_of(Op::add, DType::f32, {}), 3).reads, (std::vector<Bytes>{0, 0}));
}

}  // namespace
}  // namespace moesaic::executor
