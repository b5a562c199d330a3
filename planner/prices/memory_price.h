#pragma once
// Peak memory of a plan without lowering it: residents of its layers, what microbatches in flight keep, and the largest
// of the moments of a step whose tasks run in program order.

#include <map>

#include "core/plan/plan.h"
#include "planner/prices/layout_rows.h"

namespace moesaic::planner {

struct MemoryPrice {
  Bytes device = 0;             // of the pipeline stage that needs most
  Bytes host = 0, storage = 0;  // of one rank; the ranks of a node share them
};

/// peak(stage) = residents + (in flight - 1) sum over its layers of kept + max over moments (own + kept of the layers
/// before), with in flight = min(stages - stage, microbatches)   (one forward, one backward: PipeDream, arXiv
/// 1806.03377) Moments are those of program order; where weights come or gradients leave on lanes of their own, those
/// of `spans`.
MemoryPrice memory_price(const Plan& plan, const StepSample& sample, const LayoutRows& rows, const TaskSpans& spans);

}  // namespace moesaic::planner
