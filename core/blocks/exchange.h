#pragma once
// Rows on their way to the experts' ranks and back, and the counts that say how many there are. Where one rank holds
// all experts there is nothing to send.

#include <string>
#include <vector>

#include "core/blocks/step_builder.h"

namespace moesaic {

/// Rows in send order on their source -> rows in slot order on the experts' ranks, as operands. `what` names the data:
/// "dispatch" or "combine gradient".
TensorId to_experts(StepBuilder& b, const std::string& what, TensorId send, TensorId counts);
/// The way back.
TensorId from_experts(StepBuilder& b, const std::string& what, TensorId grouped, TensorId counts);

/// The tokens of the whole expert-parallel group, which its router sees, source by source.
TensorId gather_tokens(StepBuilder& b, const std::string& what, TensorId own);
/// What every rank's experts add to all those tokens -> their sum, of which each source keeps its own tokens'. Where
/// tokens are replicated a part of it stays on each of the ranks that have them.
TensorId scatter_sum(StepBuilder& b, const std::string& what, TensorId parts);

/// Counts of one rank in one layer: announced_counts() of every source whose tokens its router sees.
int64_t count_elements(const StepBuilder& b);
/// A rank's own counts -> those of its expert-parallel group, [ep, count_elements()].
TensorId exchange_counts(StepBuilder& b, TensorId own);
/// An all-gather to which each member gives what `parts` hold, one after the other.
void gather_counts(StepBuilder& b, const std::string& what, Announces announces, int communicator,
                   std::vector<TensorId> parts, TensorId to);

}  // namespace moesaic
