#pragma once
// The keepers of time that there are, by name.

#include <memory>
#include <string>

#include "simulator/activity_engine.h"

namespace moesaic::simulator {

enum class EngineKind : uint8_t { simgrid, fluid };
const char* name_of(EngineKind kind);
/// InputError for a name that no engine has.
EngineKind engine_named(const std::string& name);

/// Of SimGrid at most one per process, ever; of the fluid model as many as wanted.
std::unique_ptr<ActivityEngine> make_engine(EngineKind kind);

}  // namespace moesaic::simulator
