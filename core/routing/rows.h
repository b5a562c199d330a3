#pragma once
// Sizes that are no numbers until routing is known: what a number of rows stands for, which rows travel on which leg of
// an exchange, and how they are reordered between.

#include <compare>
#include <cstdint>

namespace moesaic {

/// How many rows a task or tensor has. All but the first two are bound by routing.
enum class Rows : uint8_t {
  fixed,
  local,          // tokens of this rank; only where ranks hold different numbers of them
  sent,           // rows that this rank sends into the MoE layer: (token, choice) pairs of the chunk
  relayed,        // rows that pass through this rank between the two phases of a hierarchical all-to-all
  received,       // rows that arrive at this rank's expert slots
  once_sent,      // rows that this rank sends to nodes, one per (token, node)
  once_received,  // such rows that arrive at this rank
  fanned,         // rows that this rank sends on inside its node, one per (token, choice), made of those
  // Windows: a row is one of this rank's expert slots with all its elements. The first three hold weights, the last
  // one gradients.
  predicted_slots,  // those that had rows when the layer last ran
  missing_slots,    // those that have rows and were not predicted
  active_slots,     // those that have rows
  used_slots,       // those that have rows on any rank with the same experts
};
bool is_window(Rows rows);

/// The legs of an all-to-all; `between(s, d)` below is the number of rows that source s sends to experts of rank d. The
/// rows of the last four are those of tokens, which no routing decides.
enum class Leg : uint8_t {
  none,
  dispatch,        // s -> d
  combine,         // d -> s
  intra_out,       // (a, r) -> (a, r'): all rows of (a, r) for local rank r' of any node
  inter_out,       // (a, r') -> (b, r'): rows of all local ranks of node a for (b, r')
  inter_back,      // the way back of inter_out
  intra_back,      // the way back of intra_out
  once_out,        // (a, r) -> (b, r): one row for each token of (a, r) that has rows for any rank of node b
  places_out,      // (a, r) -> (b, r): of all rows of (a, r) for ranks of node b, which of those they repeat
  fan_out,         // (b, r) -> (b, r'): rows of (a, r) of all nodes a for (b, r')
  columns_out,     // s -> d: all tokens of d, the columns that s holds
  columns_back,    // s -> d: all tokens of s, the columns that d holds
  next_stage,      // all tokens of a rank, to its peer in the pipeline stage behind
  previous_stage,  // the way back: their gradients, to the stage before
};
/// True where routing decides how many rows travel.
bool is_routed(Leg leg);
/// True between the stages of a pipeline: one sends, the other one receives.
bool is_between_stages(Leg leg);

/// The rows before and after an exchange on a routed leg.
struct LegRows {
  Rows before = Rows::fixed, after = Rows::fixed;
  bool operator==(const LegRows&) const = default;
};
LegRows rows_on(Leg leg);

/// How a regrouping reorders rows; brackets give the order of segments, outermost first.
enum class Regroup : uint8_t {
  none,
  to_slots,          // received rows: [source][slot] -> [slot][source], what experts read
  from_slots,        // its inverse
  to_local_major,    // sent rows: [node][local rank] -> [local rank][node] of the destination
  from_local_major,  // its inverse
  relay_out,         // relayed rows: [local source][node] -> [node][local source]
  relay_back,        // its inverse
  repeat,            // of rows once per (token, node) those per (token, choice), ordered [local rank][source node]
  from_rails,        // received rows: [local rank][node] of the source -> [node][local rank]
  join_columns,      // parts of rows: [rank that holds the columns][token] -> [token][rank]
  split_columns,     // its inverse
};

/// What the rows of a task or tensor are bound by.
struct RoutedRows {
  Rows rows = Rows::fixed;
  int moe_layer = -1, microbatch = -1;
  int chunk = 0, num_chunks = 1;
  auto operator<=>(const RoutedRows&) const = default;
};

}  // namespace moesaic
