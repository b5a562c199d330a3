#pragma once
// In which order microbatches pass through the stages of a pipeline.

#include <vector>

namespace moesaic {

/// The forward or backward pass of one microbatch through one stage.
struct StagePass {
  bool backward = false;
  int stage = 0, microbatch = 0;
  bool operator==(const StagePass&) const = default;
};
/// One piece of the pipeline's program: a pass, or its result on the way to the stage that goes on with it.
struct PipelineStep {
  StagePass pass;
  bool sends = false;
  bool operator==(const PipelineStep&) const = default;
};
/// 1F1B (PipeDream-Flush, arXiv 2006.09503): stage s of p runs p-1-s forward passes, then one forward and one backward
/// pass in turn, then the backward passes that are left; it never keeps the activations of more than p-s microbatches.
/// One list for all stages, ordered by the times that passes would have if a backward pass took twice a forward pass,
/// so that each stage's part of it is that stage's order and sends stand where both ends are free.
std::vector<PipelineStep> one_forward_one_backward(int num_stages, int microbatches);

}  // namespace moesaic
