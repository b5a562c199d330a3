#include "core/plan/embedding.h"

#include <nlohmann/json.hpp>

#include "core/plan/decision_field.h"
#include "core/plan/plan.h"
#include "core/plan/plan_checker.h"

namespace moesaic {
namespace {

constexpr const char* kEmbeddingNames[] = {"replicated", "column_partition"};

}  // namespace

const char* name_of(Embedding embedding) { return kEmbeddingNames[static_cast<size_t>(embedding)]; }

template <>
const FieldTable<EmbeddingTable>& fields_of<EmbeddingTable>() {
  static const FieldTable<EmbeddingTable> fields = {
      choice("embedding", &EmbeddingTable::embedding, kEmbeddingNames,
             "whether every rank holds the whole embedding table, or an equal part of its columns")
          .in_training("divides training states")
          .in_words("%"),
  };
  return fields;
}

void check_embedding(const Plan& plan, const PlanChecker& check) {
  if (plan.embedding == Embedding::replicated) return;
  check.require(!plan.elastic.present(), "/embedding", "exchanges as many tokens with every rank; the batch is uneven",
                "share the batch evenly, or set embedding to \"replicated\"");
  check.require(plan.model.hidden % plan.layout.ranks == 0, "/embedding",
                std::to_string(plan.model.hidden) + " columns do not divide evenly over " +
                    std::to_string(plan.layout.ranks) + " ranks",
                "choose ranks that divide the hidden size, or set embedding to \"replicated\"");
}

}  // namespace moesaic
