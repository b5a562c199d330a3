#pragma once
// Initial weights, a pure function of a seed (docs/training_model.md): the same whatever the number of ranks.

#include <cstdint>
#include <string>

#include "core/graph/task_graph.h"

namespace moesaic::executor {

/// Elements [begin, begin + count) of the matrix called `name`: uniform with mean 0 and standard deviation 0.02.
void fill_uniform(const std::string& name, uint64_t seed, int64_t begin, float* out, int64_t count);

/// Writes the initial values of a piece of a logical tensor to `local` + the piece's local offset: matrices uniform;
/// norms (`norm`) 1 in the first `num_gains` logical elements, which are gains, and 0 in the biases behind them.
void initialise(const Piece& piece, bool norm, int64_t num_gains, uint64_t seed, float* local);

}  // namespace moesaic::executor
