#pragma once
// The oracle of everything that shares ports: SimGrid with one communication per flow, max-min over its ports. No test
// stands here.

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <simgrid/s4u.hpp>
#include <span>
#include <string>
#include <vector>

#include "core/network/port_flows.h"
#include "core/schema/error.h"
#include "simulator/simgrid_versions.h"

namespace moesaic::simulator {

namespace sg = simgrid::s4u;

/// Networks one after the other on one engine. Each flow has a host of its own, whose route to a common sink is the
/// flow's ports.
class PerFlowOracle {
 public:
  explicit PerFlowOracle(const std::vector<PortFlows>& networks) {
    share_max_min();
    // By default a flow ends, and a port is full, some 1e-5 early.
    for (const char* precision : {kTimingPrecision, kWorkPrecision}) sg::Engine::set_config(precision);
    zone_ = star_zone(engine_);
    sink_ = new_host(zone_, "sink", {1.0});
    for (size_t i = 0; i < networks.size(); ++i) build(networks[i], std::to_string(i));
    engine_.seal_platform();
    tell_completions([this](const sg::Activity& flow) {
      ended_[reinterpret_cast<uintptr_t>(flow.get_data<void>())] = sg::Engine::get_clock() - begin_;
    });
  }

  /// The end of each flow of the next network, from its start: [flows].
  const std::vector<Seconds>& run(const PortFlows& network) {
    begin_ = sg::Engine::get_clock();
    ended_.assign(static_cast<size_t>(network.num_flows()), 0);
    std::vector<sg::CommPtr> running;
    for (int flow = 0; flow < network.num_flows(); ++flow) {
      const sg::CommPtr comm = sg::Comm::sendto_init(sources_[next_source_++], sink_);
      comm->set_payload_size(static_cast<uint64_t>(network.bytes(flow)));
      comm->set_data(reinterpret_cast<void*>(static_cast<uintptr_t>(flow)));
      comm->start();
      running.push_back(comm);
    }
    engine_.run();
    return ended_;
  }

 private:
  void build(const PortFlows& network, const std::string& name) {
    std::vector<const sg::Link*> links;
    for (int port = 0; port < network.num_ports(); ++port)
      links.push_back(
          new_link(zone_, "p" + name + "." + std::to_string(port), network.capacity(port))->set_latency(0.0));
    for (int flow = 0; flow < network.num_flows(); ++flow) {
      sources_.push_back(new_host(zone_, "f" + name + "." + std::to_string(flow), {1.0}));
      std::vector<sg::LinkInRoute> route;
      for (int port : network.ports(flow)) route.emplace_back(links[static_cast<size_t>(port)]);
      route_from(zone_, sources_.back(), route);
    }
  }

  char name_[7] = "oracle", quiet_[27] = "--log=root.thresh:critical";
  char* arguments_[3] = {name_, quiet_, nullptr};
  int count_ = 2;
  sg::Engine engine_{&count_, arguments_};
  sg::NetZone* zone_ = nullptr;
  sg::Host* sink_ = nullptr;
  std::vector<sg::Host*> sources_;  // of all flows of all networks
  size_t next_source_ = 0;
  Seconds begin_ = 0;
  std::vector<Seconds> ended_;
};

/// Seconds from the start to the end of each flow, all of a network starting together: [networks, flows]. In a child,
/// since a process simulates once.
inline std::vector<std::vector<Seconds>> per_flow_seconds(const std::vector<PortFlows>& networks) {
  int ends[2];
  MOESAIC_CHECK(::pipe(ends) == 0, "no pipe");
  std::fflush(stdout);  // SimGrid flushes what a child inherits
  const pid_t pid = ::fork();
  if (pid == 0) {
    PerFlowOracle oracle(networks);
    for (const PortFlows& network : networks) {
      const auto bytes = std::as_bytes(std::span(oracle.run(network)));
      for (size_t sent = 0; sent < bytes.size();) {
        const ssize_t written = ::write(ends[1], bytes.data() + sent, bytes.size() - sent);
        if (written <= 0) ::_exit(1);
        sent += static_cast<size_t>(written);
      }
    }
    ::_exit(0);
  }
  ::close(ends[1]);
  std::vector<std::vector<Seconds>> seconds;
  for (const PortFlows& network : networks) {
    seconds.emplace_back(static_cast<size_t>(network.num_flows()));
    const auto bytes = std::as_writable_bytes(std::span(seconds.back()));
    for (size_t got = 0; got < bytes.size();) {
      const ssize_t received = ::read(ends[0], bytes.data() + got, bytes.size() - got);
      MOESAIC_CHECK(received > 0, "the oracle died");
      got += static_cast<size_t>(received);
    }
  }
  ::close(ends[0]);
  ::waitpid(pid, nullptr, 0);
  return seconds;
}

}  // namespace moesaic::simulator
