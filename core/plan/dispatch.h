#pragma once
// How tokens reach their experts and come back: a decision of a plan.

#include "core/plan/fields_of.h"

namespace moesaic {

struct Plan;

enum class DispatchKind { ragged, padded };
enum class AllToAllKind { flat, hierarchical_2d, node_limited };
/// Rows travel to the ranks of their experts; or the ranks of an expert-parallel group gather one another's tokens,
/// each computes what its own experts add, and the sums are scattered: no counts, no rows of chosen experts travel.
enum class ExpertExchange { all_to_all, all_gather };
/// Rows of choices are moved by their index; or multiplied with one-hot masks, as GShard and DeepSpeed-MoE do.
enum class RowKernel { permute, einsum };
const char* name_of(DispatchKind kind);
const char* name_of(AllToAllKind kind);
const char* name_of(ExpertExchange exchange);

struct Dispatch {
  DispatchKind kind = DispatchKind::ragged;
  double capacity_factor =
      0;  // 0: dropless. Rows per (source, expert) = ceil(capacity_factor * tokens * top_k / num_experts)
  AllToAllKind all_to_all = AllToAllKind::flat;
  int chunks = 1;  // dispatch, experts and combine of a layer are cut into this many pieces of tokens
  ExpertExchange exchange = ExpertExchange::all_to_all;
  RowKernel kernel = RowKernel::permute;
  bool gathers_tokens() const { return exchange == ExpertExchange::all_gather; }
  bool operator==(const Dispatch&) const = default;
};

template <>
const FieldTable<Dispatch>& fields_of<Dispatch>();

/// Padding and a capacity belong together.
void check_capacity(const Dispatch& dispatch, const PlanChecker& check);
void check_dispatch(const Plan& plan, const PlanChecker& check);

/// Nodes of an expert-parallel group, where a token goes to each of them at most once (node_limited); 0: it goes once
/// per choice.
int nodes_reached_once(const Plan& plan);

}  // namespace moesaic
