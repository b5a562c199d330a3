#pragma once
// Who holds the embedding table: a decision of a plan.

#include "core/plan/fields_of.h"

namespace moesaic {

struct Plan;

/// Every rank all of it, or each of the ranks an equal part of its columns (SE-MoE section 4.3).
enum class Embedding { replicated, column_partition };
const char* name_of(Embedding embedding);

/// A base of the plan's choices: its key stands in the plan document itself.
struct EmbeddingTable {
  Embedding embedding = Embedding::replicated;
  bool operator==(const EmbeddingTable&) const = default;
};

template <>
const FieldTable<EmbeddingTable>& fields_of<EmbeddingTable>();

void check_embedding(const Plan& plan, const PlanChecker& check);

}  // namespace moesaic
