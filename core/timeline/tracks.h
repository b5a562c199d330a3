#pragma once
// Tracks of a picture: tasks of one rank and lane that overlap in time are laid on separate tracks. It draws nothing.

#include <vector>

#include "core/timeline/timeline.h"

namespace moesaic {

/// For each entry of `timeline.times`, its track within (rank, lane), from 0: the lowest one that is free when the task
/// starts. [times]
std::vector<int> tracks_of(const Timeline& timeline);

}  // namespace moesaic
