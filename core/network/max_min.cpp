#include "core/network/max_min.h"

#include <algorithm>
#include <limits>

namespace moesaic {
namespace {

constexpr double kEndedRate = 0, kUnsettled = -1;  // in place of a rate
constexpr double kNone = std::numeric_limits<double>::infinity();

}  // namespace

MaxMinRates::MaxMinRates(const PortFlows& network)
    : ports_per_flow_(static_cast<size_t>(network.most_ports_of_a_flow())),
      ports_(static_cast<size_t>(network.num_ports()) + 1),
      ports_of_(static_cast<size_t>(network.num_flows()) * ports_per_flow_, network.num_ports()),
      rates_(static_cast<size_t>(network.num_flows()), kUnsettled) {
  for (int port = 0; port < network.num_ports(); ++port)
    ports_[static_cast<size_t>(port)].capacity = network.capacity(port);
  ports_.back().capacity = kNone;
  for (int flow = 0; flow < network.num_flows(); ++flow) {
    const std::span<const int> passed = network.ports(flow);
    std::copy(passed.begin(), passed.end(), ports_of_.begin() + flow * static_cast<int64_t>(ports_per_flow_));
  }
  list_flows_by_port();
  colour_ports();
}

std::span<const int32_t> MaxMinRates::ports_of(int32_t flow) const {
  return {ports_of_.data() + static_cast<size_t>(flow) * ports_per_flow_, ports_per_flow_};
}

void MaxMinRates::list_flows_by_port() {
  for (Port& port : ports_) port.running = 0;
  for (int32_t port : ports_of_) ++ports_[static_cast<size_t>(port)].running;
  int32_t next = 0;
  for (Port& port : ports_) {
    port.first = port.end = next;
    next += port.running;
  }
  passing_.resize(ports_of_.size());
  for (size_t i = 0; i < ports_of_.size(); ++i)
    passing_[static_cast<size_t>(ports_[static_cast<size_t>(ports_of_[i])].end++)] =
        static_cast<int32_t>(i / ports_per_flow_);
}

/// Ports in the order in which flows lead to them, each gets the first colour that none has with which it shares a
/// flow. In that order two colours do where two are possible.
void MaxMinRates::colour_ports() {
  std::vector<int32_t> taken_by, reached;  // [colours], the last port that cannot have it
  for (int32_t root = 0; root + 1 < static_cast<int32_t>(ports_.size()); ++root) {
    if (ports_[static_cast<size_t>(root)].colour >= 0) continue;
    for (reached.assign(1, root); !reached.empty();) {
      std::vector<int32_t> next;
      for (int32_t number : reached) colour_port(number, taken_by, next);
      reached = std::move(next);
    }
  }
  least_offer_.resize(taken_by.size());
}

/// Appends the ports without a colour that share a flow with it to `next`.
void MaxMinRates::colour_port(int32_t number, std::vector<int32_t>& taken_by, std::vector<int32_t>& next) {
  Port& port = ports_[static_cast<size_t>(number)];
  if (port.colour >= 0) return;
  for (int32_t i = port.first; i < port.end; ++i)
    for (int32_t other : ports_of(passing_[static_cast<size_t>(i)])) {
      const int32_t colour = ports_[static_cast<size_t>(other)].colour;
      if (colour >= 0)
        taken_by[static_cast<size_t>(colour)] = number;
      else if (other != number && &ports_[static_cast<size_t>(other)] != &ports_.back())
        next.push_back(other);
    }
  const auto free = std::find_if(taken_by.begin(), taken_by.end(), [&](int32_t by) { return by != number; });
  port.colour = static_cast<int32_t>(free - taken_by.begin());
  if (free == taken_by.end()) taken_by.push_back(-1);
}

void MaxMinRates::share(std::span<const double> left, Seconds step) {
  level_ = 0;
  limited_.clear();
  unfilled_.clear();
  for (double& rate : rates_) rate = rate == kEndedRate ? kEndedRate : kUnsettled;
  for (Port& port : ports_) {
    port.unused = port.capacity;
    port.unsettled = port.running;
  }
  for (int32_t port = 0; port + 1 < static_cast<int32_t>(ports_.size()); ++port) unfilled_.push_back(port);
  for (double others = make_offers(); !unfilled_.empty(); others = make_offers())
    for (int32_t number : unfilled_) {
      const Port& port = ports_[static_cast<size_t>(number)];
      if (static_cast<size_t>(port.colour) == filling_ && port.offer <= others) fill(number, others, left, step);
    }
}

/// Chooses the colour to fill and returns the least offer of all others.
double MaxMinRates::make_offers() {
  std::fill(least_offer_.begin(), least_offer_.end(), kNone);
  size_t kept = 0;
  for (int32_t number : unfilled_) {
    Port& port = ports_[static_cast<size_t>(number)];
    if (port.unsettled == 0) continue;
    unfilled_[kept++] = number;
    port.offer = std::max(level_, port.unused / port.unsettled);
    double& least = least_offer_[static_cast<size_t>(port.colour)];
    least = std::min(least, port.offer);
  }
  unfilled_.resize(kept);
  if (kept == 0) return kNone;
  const auto least = std::min_element(least_offer_.begin(), least_offer_.end());
  filling_ = static_cast<size_t>(least - least_offer_.begin());
  level_ = *least;
  double others = kNone;
  for (size_t colour = 0; colour < least_offer_.size(); ++colour)
    if (colour != filling_) others = std::min(others, least_offer_[colour]);
  return others;
}

/// Gives the port's flows its offer. What the step keeps some of them from taking is offered to the rest, as long as
/// the ports of other colours, whose least offer is `others`, do not fill before.
void MaxMinRates::fill(int32_t number, double others, std::span<const double> left, Seconds step) {
  Port& port = ports_[static_cast<size_t>(number)];
  gather_unsettled(port);
  while (port.unsettled > 0 && port.offer <= others) {
    if (step > 0 && settle_limited(number, left, step)) {
      if (port.unsettled > 0) port.offer = std::max(port.offer, port.unused / port.unsettled);
      continue;
    }
    for (int32_t flow : unsettled_) settle(flow, port.offer, number);
    port.unused -= port.offer * port.unsettled;
    port.unsettled = 0;
  }
}

void MaxMinRates::gather_unsettled(Port& port) {
  unsettled_.clear();
  int32_t kept = port.first;
  for (int32_t i = port.first; i < port.end; ++i) {
    const int32_t flow = passing_[static_cast<size_t>(i)];
    const double rate = rates_[static_cast<size_t>(flow)];
    if (rate == kEndedRate) continue;
    passing_[static_cast<size_t>(kept++)] = flow;
    if (rate == kUnsettled) unsettled_.push_back(flow);
  }
  port.end = kept;
}

/// Of the gathered flows, those that the step limits to less than the offer. True where there are any.
bool MaxMinRates::settle_limited(int32_t number, std::span<const double> left, Seconds step) {
  Port& port = ports_[static_cast<size_t>(number)];
  const double most = port.offer * step;
  size_t kept = 0;
  for (int32_t flow : unsettled_) {
    const double bytes = left[static_cast<size_t>(flow)];
    if (bytes > most) {
      unsettled_[kept++] = flow;
      continue;
    }
    limited_.push_back({flow, port.offer});
    settle(flow, bytes / step, number);
    port.unused -= bytes / step;
    --port.unsettled;
  }
  const bool any = kept < unsettled_.size();
  unsettled_.resize(kept);
  return any;
}

/// The port that is being filled counts by itself: a sum that waits for each of its terms is slow.
void MaxMinRates::settle(int32_t flow, BytesPerSecond rate, int32_t filled) {
  rates_[static_cast<size_t>(flow)] = rate;
  for (int32_t number : ports_of(flow)) {
    if (number == filled) continue;
    Port& port = ports_[static_cast<size_t>(number)];
    port.unused -= rate;
    --port.unsettled;
  }
}

BytesPerSecond MaxMinRates::used(int port) const {
  const Port& state = ports_[static_cast<size_t>(port)];
  return state.capacity - state.unused;
}

void MaxMinRates::end(int flow) {
  rates_[static_cast<size_t>(flow)] = kEndedRate;
  for (int32_t port : ports_of(flow)) --ports_[static_cast<size_t>(port)].running;
}

void MaxMinRates::drop_ended() {
  size_t kept = 0;
  for (size_t flow = 0; flow < rates_.size(); ++flow) {
    if (rates_[flow] == kEndedRate) continue;
    const std::span<const int32_t> ports = ports_of(static_cast<int32_t>(flow));
    std::copy(ports.begin(), ports.end(), ports_of_.begin() + static_cast<int64_t>(kept * ports_per_flow_));
    rates_[kept++] = rates_[flow];
  }
  rates_.resize(kept);
  ports_of_.resize(kept * ports_per_flow_);
  list_flows_by_port();
}

}  // namespace moesaic
