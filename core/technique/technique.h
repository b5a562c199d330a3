#pragma once
// What every technique is: a rewrite of the task graph that a field of the plan switches on. One file each; lower.cpp
// lists them in order.

#include "core/graph/task_graph.h"

namespace moesaic {

/// Keeps only the input of each layer, the router's choices and the counts of other ranks for backward; the layer's
/// forward tasks whose results backward reads run again right before it (arXiv 1604.06174). communication_aware also
/// keeps what collectives brought, so that none is repeated (communication-aware checkpointing of DeepSpeed-TED, arXiv
/// 2303.06318).
void recompute(TaskGraph& graph, const Plan& plan);

/// Cuts permute, dispatch, experts, combine and unpermute of each MoE layer into plan.dispatch.chunks pieces of tokens,
/// forward and backward, so that the all-to-all of one piece overlaps the experts of another (PipeMoE; order of
/// ScheMoE's theorem 1 without codec). Weight gradients stay whole: they sum rows in the same order whatever the number
/// of chunks.
void chunk_moe_layers(TaskGraph& graph, const Plan& plan);

/// Replaces each all-to-all of an expert-parallel group that spans several nodes by two phases: inside the node to the
/// destination's local rank, then between nodes among equal local ranks (SE-MoE section 4.2). Inter-node messages fall
/// by the ranks per node.
void hierarchical_all_to_all(TaskGraph& graph, const Plan& plan);

/// Sends a token to each node once, however many of its experts stand there, and on to them inside the node
/// (plan.dispatch.all_to_all; DeepSeek-V3, arXiv 2412.19437, section 3.2.2, and DeepEP's normal kernels): along the
/// rail to the equal local rank, which repeats rows for their choices. Rows that come back, and gradients both ways,
/// are each its choice's own and stay flat. Summing those of a token inside the node before they come back would save
/// as much again on the way back, and would round differently: it is left out.
void node_limited_all_to_all(TaskGraph& graph, const Plan& plan);

/// Cuts the embedding table by columns over all ranks (plan.embedding; SE-MoE section 4.3): each looks the tokens of
/// all ranks up in its columns, an all-to-all brings every rank all columns of its own tokens, and backward another one
/// takes gradients the same way back. Each rank updates its columns alone: no gradient of the table is reduced. A head
/// that is tied to the table gathers it for one microbatch at a time, and its gradient is summed over the ranks.
void embedding_partition(TaskGraph& graph, const Plan& plan);

/// Gives expert states a home in host memory or on storage (plan.expert_storage; SE-MoE section 3.2.1): per pass of a
/// MoE layer their weights come storage -> host memory (a cache, core/policy) -> device, predicted
/// plan.prefetch.experts MoE layers ahead and completed once the router has spoken; in backward they are known and come
/// as far ahead. Gradients go to host memory, where AdamW updates the states of the experts that had rows; the others
/// catch up when they are next loaded, so that the result is that of training in device memory, bit for bit.
void expert_offload(TaskGraph& graph, const Plan& plan);

/// ZeRO (arXiv 1910.02054): the ranks that hold the same parameters divide their optimizer states (plan.layout.zero 1),
/// gradients too (2), weights too (3), among themselves. Parameters are fused into groups that one collective carries,
/// of at most plan.gradient_bucket_bytes in stages 1 and 2 (sent as soon as backward has completed all members), of
/// plan.fused_parameter_bytes within one layer in stage 3, where weights are gathered plan.prefetch.dense layers ahead
/// of the layer that uses them, forward and backward (SE-MoE section 3.2.2, algorithm 1).
void zero(TaskGraph& graph, const Plan& plan);

/// Fuses gradient all-reduces of one communicator, in the order in which backward completes them, into buckets of at
/// most plan.gradient_bucket_bytes (a larger gradient has its own), and AdamW tasks into one per bucket.
void gradient_buckets(TaskGraph& graph, const Plan& plan);

/// Where a placement gives an expert several slots: sums each such expert's gradient over all of them, behind the last
/// task that adds to it and before any other reduction, so that AdamW keeps weights and moments of replicas equal to
/// the bit. One all-reduce per round (replica_rounds() in core/plan) among the ranks of a stage that hold the same
/// expert then: where an expert has R slots on as many ranks, each of these sends and receives 2 (R-1)/R times the
/// gradient of a slot, the others nothing. With several expert-parallel groups R counts all of them; one group keeps
/// the sum and the others zeros, so that what is summed over groups then is the same in whatever order. (The gradient
/// exchange of Prophet's T_Agg and FasterMoE's shadowing, with states that stay where they are.)
void replica_gradients(TaskGraph& graph, const Plan& plan);

/// Moves the sums of gradients behind backward (plan.gradient_reduction): no rank sends one before it has computed the
/// last of its backward. In ZeRO-1 reduce-scatters alike.
void reduce_after_backward(TaskGraph& graph, const Plan& plan);

/// Always on: no update begins before all ranks have all gradients, have looked at them (one task for each layer) and
/// have agreed that they are finite (verdict_task() in agree_on_update.h), so that a step is taken by all ranks or by
/// none.
void agree_on_update(TaskGraph& graph, const Plan& plan);

/// Copies the gradients of all updates to f32 before the first of these (plan.optimizer_passes), as DeepSpeed's
/// FP16_Optimizer does: 36 bytes per bf16 parameter more, and 4 more in memory until the update.
void separate_optimizer_passes(TaskGraph& graph, const Plan& plan);

}  // namespace moesaic
