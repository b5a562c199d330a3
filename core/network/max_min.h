#pragma once
// Max-min fair rates of flows through ports, by progressive filling. It knows no clock: flow_times.h moves time on.

#include <cstdint>
#include <span>
#include <vector>

#include "core/network/port_flows.h"

namespace moesaic {

/// Progressive filling (Bertsekas and Gallager, Data Networks, 6.5.2): all rates grow together until a port is full,
/// whose flows keep that rate; the others grow on. No flow's rate can grow but at the cost of one that is as slow.
///
/// A port whose offer (what is unused, over the flows without a rate) is no more than that of any port that it shares a
/// flow with is full next. Ports are coloured so that none shares a flow with another of its colour, in an all-to-all
/// out and in; so all ports of one colour that offer less than every other colour fill at once.
class MaxMinRates {
 public:
  explicit MaxMinRates(const PortFlows& network);

  /// A flow that a step of time limits: it moves all of its rest within the step, and could have had `offer`.
  struct Limited {
    int flow = 0;
    BytesPerSecond offer = 0;
  };

  /// Rates over a step: nobody gets more than moves `left` bytes within it, and what that leaves of a port is the
  /// others'. A step of 0 seconds limits nobody. left: [flows] bytes; of flows that have ended ignored.
  void share(std::span<const double> left, Seconds step);

  /// [flows]; 0 where the flow has ended.
  const std::vector<BytesPerSecond>& rates() const { return rates_; }
  const std::vector<Limited>& limited() const { return limited_; }
  /// What the last share gave away of a port.
  BytesPerSecond used(int port) const;

  /// Takes no part from the next share on.
  void end(int flow);

  /// Forgets the flows that have ended; the others keep their order and are numbered anew.
  void drop_ended();

 private:
  struct Port {
    BytesPerSecond capacity = 0, unused = 0, offer = 0;
    int32_t running = 0, unsettled = 0;  // flows
    int32_t first = 0, end = 0;          // in passing_
    int32_t colour = -1;
  };

  void list_flows_by_port();
  void colour_ports();
  void colour_port(int32_t number, std::vector<int32_t>& taken_by, std::vector<int32_t>& next);
  double make_offers();
  void gather_unsettled(Port& port);
  bool settle_limited(int32_t number, std::span<const double> left, Seconds step);
  void fill(int32_t number, double others, std::span<const double> left, Seconds step);
  void settle(int32_t flow, BytesPerSecond rate, int32_t filled);
  std::span<const int32_t> ports_of(int32_t flow) const;

  size_t ports_per_flow_;
  std::vector<Port> ports_;        // [ports + 1]; the last one never fills
  std::vector<int32_t> ports_of_;  // [flows, ports_per_flow], padded with the last port
  std::vector<int32_t> passing_;   // flows, port by port
  std::vector<double> rates_;      // [flows]
  std::vector<Limited> limited_;
  // Of the share under way:
  std::vector<int32_t> unfilled_;    // ports
  std::vector<double> least_offer_;  // [colours]
  size_t filling_ = 0;               // colour
  double level_ = 0;                 // every flow without a rate gets at least this
  std::vector<int32_t> unsettled_;
};

}  // namespace moesaic
