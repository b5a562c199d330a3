#pragma once
// The option --record-routing, which both programs have: what a run's result says of its router.

#include <CLI/CLI.hpp>

#include "core/schema/routing.h"

namespace moesaic::cli {

/// The forms that an executor can record, by their names; `record` stays counts_by_source unless another is asked for.
CLI::Option* add_record_routing(CLI::App& verb, RoutingForm& record);

}  // namespace moesaic::cli
