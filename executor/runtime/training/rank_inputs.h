#pragma once
// What a rank computes from: its initial weights and its sequences. It runs nothing.

#include "core/plan/plan.h"
#include "executor/runtime/residency/tensor_store.h"
#include "executor/runtime/training/corpus.h"

namespace moesaic::executor {

void initialise_weights(const TaskGraph& graph, const Plan& plan, int rank, TensorStore& tensors);

/// Models that route by task: rows of this rank's slots, the same in every microbatch. Else nothing.
void load_task_rows(const TaskGraph& graph, const Plan& plan, int rank, TensorStore& tensors);

/// This rank's sequences of every microbatch; see docs/training_model.md for who gets which. In a pipeline the first
/// stage has inputs, the last one targets.
void load_batch(const TaskGraph& graph, const Plan& plan, int rank, int64_t step, const Corpus& corpus,
                TensorStore& tensors);

}  // namespace moesaic::executor
