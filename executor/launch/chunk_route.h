#pragma once
// Routes of a task: which part of the route tensor belongs to its chunk, and what plan and graph say beside it:
// capacity, padding, the auxiliary loss.

#include <optional>
#include <span>
#include <vector>

#include "executor/backend/backend.h"
#include "executor/launch/route.h"

namespace moesaic::executor {

/// From a token on.
Route route_at(const Launch& launch, const Operand& route, int64_t first_token);

/// Of a chunk of the tokens that this rank's router sees.
struct TokenRange {
  int64_t first = 0, count = 0;
};
TokenRange chunk_tokens(const Launch& launch, int chunk, int num_chunks);

/// The tokens of the task's chunk and their part of the route.
struct ChunkRoute {
  ChunkRoute(const Launch& launch, const Operand& route);
  TokenRange tokens;
  Route route;
  int64_t top_k, slices, hidden;
  int64_t first_element() const { return tokens.first * hidden; }  // of the chunk's tokens in [tokens, hidden]
  int64_t first_choice() const { return tokens.first * top_k; }    // and in [tokens, top_k]
};

/// Where the rows of each node begin in the send buffer, [nodes]; empty: tokens go to a node once per choice.
/// rows_of_slots: of this rank's, [num_slots].
std::vector<int64_t> node_starts(const Launch& launch, std::span<const int64_t> rows_of_slots);
/// Of a router: where its rows per node stand, [nodes] of a chunk, behind those per expert of all chunks.
int32_t* node_counts(const Launch& launch, int chunk);

/// Rows that an expert takes of this rank's tokens; nullopt: as many as come.
std::optional<int64_t> expert_capacity(const Launch& launch);
/// Of it, rows that one expert takes of a chunk of this rank's tokens.
std::optional<int64_t> chunk_capacity(const Launch& launch, int chunk, int num_chunks);
/// A token's weights are divided by their sum.
inline bool normalises_weights(const Launch& launch) { return launch.context.plan->model.normalize_top_k; }
/// Slots are padded to their capacity: rows that no token fills are zero.
bool is_padded(const Launch& launch);

/// Of an unpermute: what is added to the rows. Parts that are summed over ranks first have none.
bool has_residual(const Launch& launch);

/// d(loss) / d(p_te) = alpha E f_e / (T M) of the auxiliary loss, with f_e = n_e / (T k) of all T tokens of the stage's
/// microbatch (Switch Transformer, arXiv 2101.03961, eq. 4): scale * n_e. A token that several routers see counts as
/// often in either T.
struct AuxiliaryTerm {
  explicit AuxiliaryTerm(const Launch& launch);  // of a router_backward
  double scale;
  const int32_t* counts;  // of chunks of ranks: [sources, stride], of which row_elements count
  int64_t sources, row_elements, stride;
  double* loss;  // to which this rank's part is added
};

}  // namespace moesaic::executor
