#include "simulator/engine_kind.h"

#include "core/schema/error.h"
#include "simulator/fluid_engine.h"
#include "simulator/simgrid_engine.h"

namespace moesaic::simulator {

const char* name_of(EngineKind kind) { return kind == EngineKind::simgrid ? "simgrid" : "fluid"; }

EngineKind engine_named(const std::string& name) {
  for (const EngineKind kind : {EngineKind::simgrid, EngineKind::fluid})
    if (name == name_of(kind)) return kind;
  throw InputError(name, "", "no engine of this name", "simgrid or fluid");
}

std::unique_ptr<ActivityEngine> make_engine(EngineKind kind) {
  if (kind == EngineKind::simgrid) return std::make_unique<SimgridEngine>();
  return std::make_unique<FluidEngine>();
}

}  // namespace moesaic::simulator
