#include "core/network/flow_times.h"

#include <algorithm>
#include <limits>

#include "core/network/max_min.h"
#include "core/network/port_parts.h"
#include "core/schema/error.h"

namespace moesaic {
namespace {

constexpr double kFlowEnded = std::numeric_limits<double>::infinity();
/// Ends closer than this, relative to a step, are one: rounding alone would tell them apart.
constexpr double kRounding = 1e-12;

/// The flows of one part on their way. Those that have ended are forgotten when they are half of all.
class Run {
 public:
  /// `seconds`: [flows of the whole], filled in for those of the part.
  Run(const PortPart& part, double tolerance, std::vector<Seconds>& seconds)
      : network_(part.network), tolerance_(tolerance), flows_(part.flows), rates_(network_), seconds_(seconds) {
    load_.assign(static_cast<size_t>(network_.num_ports()), 0);
    for (int flow = 0; flow < network_.num_flows(); ++flow) {
      left_.push_back(network_.bytes(flow));
      for (int port : network_.ports(flow)) load_[static_cast<size_t>(port)] += network_.bytes(flow);
    }
    num_running_ = flows_.size();
  }

  /// Returns how many times rates were shared out.
  int to_the_end() {
    int shares = 0;
    for (; num_running_ > 0; ++shares) {
      const Seconds step = tolerance_ > 0 ? std::min(tolerance_ * now_, busiest_port_seconds() / 2) : 0;
      rates_.share(left_, step);
      if (rates_.limited().empty())
        advance_to_next_end(step);
      else
        advance(step);
      if (2 * num_running_ < flows_.size()) drop_ended();
    }
    return shares;
  }

 private:
  /// Of what is left.
  Seconds busiest_port_seconds() const {
    Seconds busiest = 0;
    for (size_t port = 0; port < load_.size(); ++port)
      busiest = std::max(busiest, load_[port] / network_.capacity(static_cast<int>(port)));
    return busiest;
  }

  void advance(Seconds step) {
    for (const MaxMinRates::Limited& limited : rates_.limited()) end(static_cast<size_t>(limited.flow), limited.offer);
    move(step);
  }

  /// At least to the end of the step, as nobody was limited by it.
  void advance_to_next_end(Seconds step) {
    const std::vector<BytesPerSecond>& rates = rates_.rates();
    Seconds next = kFlowEnded;
    for (size_t flow = 0; flow < left_.size(); ++flow)
      if (left_[flow] < kFlowEnded) next = std::min(next, left_[flow] / rates[flow]);
    step = std::max(step, next);
    for (size_t flow = 0; flow < left_.size(); ++flow)
      if (left_[flow] <= rates[flow] * step * (1 + kRounding)) end(flow, rates[flow]);
    move(step);
  }

  void move(Seconds step) {
    const std::vector<BytesPerSecond>& rates = rates_.rates();
    for (size_t flow = 0; flow < left_.size(); ++flow) left_[flow] -= rates[flow] * step;
    for (size_t port = 0; port < load_.size(); ++port) load_[port] -= rates_.used(static_cast<int>(port)) * step;
    now_ += step;
  }

  void end(size_t flow, BytesPerSecond rate) {
    seconds_[static_cast<size_t>(flows_[flow])] = now_ + left_[flow] / rate;
    left_[flow] = kFlowEnded;
    rates_.end(static_cast<int>(flow));
    --num_running_;
  }

  void drop_ended() {
    size_t kept = 0;
    for (size_t flow = 0; flow < flows_.size(); ++flow) {
      if (left_[flow] == kFlowEnded) continue;
      flows_[kept] = flows_[flow];
      left_[kept++] = left_[flow];
    }
    flows_.resize(kept);
    left_.resize(kept);
    rates_.drop_ended();
  }

  const PortFlows& network_;
  double tolerance_;
  std::vector<int> flows_;  // [running and lately ended], numbers in the whole
  MaxMinRates rates_;
  std::vector<Seconds>& seconds_;
  std::vector<double> left_;  // [running and lately ended], bytes; kEnded
  std::vector<double> load_;  // [ports], bytes left of all flows
  size_t num_running_ = 0;
  Seconds now_ = 0;
};

}  // namespace

FlowTimes flow_times(const PortFlows& flows, double tolerance) {
  MOESAIC_CHECK(tolerance >= 0, "a tolerance is a share of the time that has passed");
  FlowTimes times;
  times.seconds.assign(static_cast<size_t>(flows.num_flows()), 0);
  for (const PortPart& part : parts_of(flows)) times.shares += Run(part, tolerance, times.seconds).to_the_end();
  for (Seconds seconds : times.seconds) times.makespan = std::max(times.makespan, seconds);
  return times;
}

}  // namespace moesaic
