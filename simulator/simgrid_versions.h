#pragma once
// The settings of SimGrid, and what its versions call by other names; 3.32 and 4.1 are tested. Included by sources
// alone that include SimGrid themselves.

#include <simgrid/s4u.hpp>
#include <string>
#include <vector>

// After the headers that define its macros.
#include <simgrid/version.h>

namespace moesaic::simulator {

// SimGrid < 3.34 tells all completions through one signal and calls the options surf/... and maxmin/..., newer ones
// tell them per class.
#if SIMGRID_VERSION >= 33400
inline constexpr const char* kTimingPrecision = "precision/timing:1e-12";
inline constexpr const char* kWorkPrecision = "precision/work-amount:1e-9";
template <class F>
void tell_completions(F callback) {
  simgrid::s4u::Exec::on_completion_cb(callback);
  simgrid::s4u::Comm::on_completion_cb(callback);
}
#else
inline constexpr const char* kTimingPrecision = "surf/precision:1e-12";
inline constexpr const char* kWorkPrecision = "maxmin/precision:1e-9";
template <class F>
void tell_completions(F callback) {
  simgrid::s4u::Activity::on_completion_cb(callback);
}
#endif

/// Plain max-min sharing: no window limit (TCP-gamma), no reverse flow, no weight by round-trip time.
inline void share_max_min() {
  for (const char* option :
       {"network/model:CM02", "network/TCP-gamma:0", "network/crosstraffic:0", "network/weight-S:0"})
    simgrid::s4u::Engine::set_config(option);
}

/// The zone of everything: each host is reached by its own links. Routes may be from a host or to it.
#if SIMGRID_VERSION >= 40000
inline simgrid::s4u::NetZone* star_zone(simgrid::s4u::Engine& engine) {
  return engine.get_netzone_root()->add_netzone_star("cluster");
}
inline simgrid::s4u::Host* new_host(simgrid::s4u::NetZone* zone, const std::string& name,
                                    const std::vector<double>& speeds) {
  return zone->add_host(name, speeds);
}
inline simgrid::s4u::Link* new_link(simgrid::s4u::NetZone* zone, const std::string& name, double rate) {
  return zone->add_link(name, rate);
}
inline void route_from(simgrid::s4u::NetZone* zone, simgrid::s4u::Host* host,
                       const std::vector<simgrid::s4u::LinkInRoute>& links) {
  zone->add_route(host, static_cast<const simgrid::s4u::Host*>(nullptr), links, false);
}
inline void route_to(simgrid::s4u::NetZone* zone, simgrid::s4u::Host* host,
                     const std::vector<simgrid::s4u::LinkInRoute>& links) {
  zone->add_route(static_cast<const simgrid::s4u::Host*>(nullptr), host, links, false);
}
#else
inline simgrid::s4u::NetZone* star_zone(simgrid::s4u::Engine&) { return simgrid::s4u::create_star_zone("cluster"); }
inline simgrid::s4u::Host* new_host(simgrid::s4u::NetZone* zone, const std::string& name,
                                    const std::vector<double>& speeds) {
  return zone->create_host(name, speeds);
}
inline simgrid::s4u::Link* new_link(simgrid::s4u::NetZone* zone, const std::string& name, double rate) {
  return zone->create_link(name, rate);
}
inline void route_from(simgrid::s4u::NetZone* zone, simgrid::s4u::Host* host,
                       const std::vector<simgrid::s4u::LinkInRoute>& links) {
  zone->add_route(host->get_netpoint(), nullptr, nullptr, nullptr, links, false);
}
inline void route_to(simgrid::s4u::NetZone* zone, simgrid::s4u::Host* host,
                     const std::vector<simgrid::s4u::LinkInRoute>& links) {
  zone->add_route(nullptr, host->get_netpoint(), nullptr, nullptr, links, false);
}
#endif

}  // namespace moesaic::simulator
