#pragma once
// A laboratory with one small model, one kind of device of 1 GFLOP/s and 1 B/s, and prices that can be worked out on
// paper.

#include "experiments/laboratory/laboratory.h"
#include "tests/experiments/small_model.h"

namespace moesaic::experiments::testing {

/// A step takes a second per sequence, the most of it for experts.
class SecondPerSequence : public Evaluator {
 public:
  std::vector<Evaluation> evaluate(std::span<const Plan> plans) override {
    std::vector<Evaluation> evaluations(plans.size());
    for (size_t i = 0; i < plans.size(); ++i) {
      const auto sequences = static_cast<double>(plans[i].workload.global_batch);
      evaluations[i].prediction.step_seconds = sequences;
      evaluations[i].prediction.peak_bytes = {{"device", 1000}};
      evaluations[i].prediction.critical_path_seconds = {{"attention", sequences / 4}, {"experts", sequences * 3 / 4}};
    }
    return evaluations;
  }
};

struct PredictionWorld {
  Laboratory laboratory;
  SecondPerSequence evaluator;
  std::string asked_cluster;

  PredictionWorld() {
    laboratory.model = [](const std::string&) { return small_model(); };
    laboratory.routing = [](const std::string&) { return RoutingDocument(); };
    laboratory.profile = [](const Cluster&) { return Profile(); };
    laboratory.cluster = [this](const std::string& name) {
      asked_cluster = name;
      Cluster cluster;
      cluster.name = name, cluster.num_nodes = 1, cluster.devices_per_node = 8;
      cluster.device.memory_bytes = Bytes{1} << 40;
      cluster.device.memory_bandwidth_bytes_per_s = 1;
      cluster.device.peak_bf16_flops_per_s = 1e9;
      return cluster;
    };
    laboratory.evaluator = &evaluator;
  }
};

}  // namespace moesaic::experiments::testing
