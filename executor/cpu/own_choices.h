#pragma once
// Of the choices of gathered tokens those that this rank's experts serve.

#include "executor/launch/own_rows.h"

namespace moesaic::executor::cpu {

/// Writes the route of the task: chosen experts and weights as they are, rows in this rank's slot order, -1 where
/// another rank has the slot.
void keep_own_rows(const OwnChoices& choices);

}  // namespace moesaic::executor::cpu
