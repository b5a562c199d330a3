#pragma once
// Weights or moments after some steps of a program on threads of this process, by logical tensor, whatever rank holds
// which part of it. What several ranks or slots hold must be the same bits.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "core/graph/holdings.h"
#include "core/graph/stages.h"
#include "executor/comm/threads.h"
#include "executor/runtime/residency/state_mirror.h"
#include "executor/runtime/training/rank_inputs.h"
#include "executor/runtime/training/training_step.h"
#include "tests/executor/runtime/training/small_training.h"

namespace moesaic::executor::testing {

using Tensors = std::map<std::string, std::vector<float>>;

inline void add_pieces(const Holding& holding, const float* local, Tensors& whole) {
  for (const Piece& piece : holding.pieces) {
    std::vector<float>& tensor = whole[piece.tensor];
    for (int64_t run = 0; run < piece.runs; ++run) {
      const auto begin = static_cast<size_t>(piece.logical_offset + run * piece.logical_stride);
      constexpr float kUnknown = std::numeric_limits<float>::quiet_NaN();
      tensor.resize(std::max(tensor.size(), begin + static_cast<size_t>(piece.run)), kUnknown);
      const float* held = local + piece.local_offset + run * piece.local_stride;
      const bool agrees = std::equal(held, held + piece.run, tensor.data() + begin,
                                     [](float a, float known) { return std::isnan(known) || a == known; });
      EXPECT_TRUE(agrees) << piece.tensor << " differs between those that hold it";
      std::copy_n(held, piece.run, tensor.data() + begin);
    }
  }
}

/// `program`: lowered from `plan`, or rewritten.
inline Tensors tensors_after(int64_t steps, State state, const Plan& plan, const TaskGraph& program,
                             const MakeBackend& make_backend = make_cpu_backend) {
  const Corpus text = corpus();
  Tensors whole;
  std::mutex mutex;
  run_on_threads(plan.layout.ranks, plan.cluster.devices_per_node, [&](int rank, Transport& transport) {
    const std::unique_ptr<Backend> backend = make_backend(rank);
    const TaskGraph graph = graph_of_rank(program, rank);
    TrainingStep step(graph, plan, rank, *backend, transport);
    initialise_weights(graph, plan, rank, step.tensors());
    Watch watch;
    for (int64_t i = 0; i < steps; ++i) {
      load_batch(graph, plan, rank, i, text, step.tensors());
      step.run(i, watch);
    }
    StateMirror mirror(step.tensors());
    const std::vector<Holding> holdings = holdings_of(graph, rank, state);
    for (const Holding& holding : holdings) mirror.data(holding.tensor);
    mirror.fetch();
    const std::lock_guard lock(mutex);
    for (const Holding& holding : holdings) add_pieces(holding, mirror.data(holding.tensor), whole);
  });
  return whole;
}

}  // namespace moesaic::executor::testing
