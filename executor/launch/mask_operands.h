#pragma once
// Tasks that multiply with masks of routes, unpacked. Masks are of all tokens of a microbatch: there are no chunks.

#include "executor/backend/backend.h"
#include "executor/launch/mask_shape.h"

namespace moesaic::executor {

inline MaskShape mask_shape(const Launch& launch, const Operand& mask) {
  return {mask.rows, mask.row_elements, launch.task.shape.k};
}

}  // namespace moesaic::executor
