#pragma once
// A made-up step of 4 ranks with about 300 tasks each, so that the report has something to draw.

#include <algorithm>
#include <random>
#include <string>

#include "cli/report/html_report.h"

namespace moesaic {

class SyntheticStep {
 public:
  SyntheticStep() {
    predicted = make(false);
    measured = make(true);
    comparison = compare(predicted, measured);
    for (int layer = 0; layer < 4; ++layer) {
      placement.push_back(contiguous_placement(kExperts, kRanks));
      std::vector<double> load;
      for (int expert = 0; expert < kExperts; ++expert)
        load.push_back(1000.0 / (1 + (expert * 7 + layer * 5) % kExperts) + 300);
      loads.push_back(load);
    }
  }

  ReportInput input() const {
    ReportInput input;
    input.title = "GPT-MoE on 4 ranks";
    input.summary = {{"model", "GPT-MoE, 8 layers, 16 experts"},
                     {"cluster", "1 node of 4 devices"},
                     {"layout", "dp 4, ep 4"},
                     {"dispatch", "ragged, flat all-to-all, 2 chunks"},
                     {"gradient buckets", "25 MB"},
                     {"tokens per second", "1.31 M"},
                     {"lower bound", "41.8 ms"},
                     {"gap", "8.4 %"}};
    input.predicted = &predicted;
    input.measured = &measured;
    input.comparison = &comparison;
    input.placement = placement;
    input.expert_loads = loads;
    input.tiers = {{Tier::device,
                    1,
                    16'000'000'000,
                    {{TensorKind::parameter, 3'100'000'000}, {TensorKind::optimizer, 2'400'000'000}}},
                   {Tier::host,
                    4,
                    64'000'000'000,
                    {{TensorKind::gradient, 5'000'000'000}, {TensorKind::optimizer, 30'000'000'000}}}};
    input.measured_peaks = {{"host", 8'600'000'000}};
    return input;
  }

  Timeline predicted, measured;
  Comparison comparison;
  std::vector<ExpertPlacement> placement;
  std::vector<std::vector<double>> loads;

 private:
  static constexpr int kRanks = 4, kLayers = 8, kExperts = 16;

  /// Lays tasks one after another; network tasks of gradients run beside compute.
  struct Clock {
    Timeline& timeline;
    std::mt19937 random;
    Seconds compute[kRanks] = {}, network[kRanks] = {};
    Bytes memory = 6'000'000'000;

    void add(const std::string& label, Op op, Phase phase, int layer, double ms, bool waits) {
      const bool collective = is_collective(op);
      timeline.rows.push_back({label, op, collective ? Lane::network : Lane::compute, phase, layer});
      Seconds together = 0;
      for (int rank = 0; rank < kRanks; ++rank) together = std::max({together, compute[rank], network[rank]});
      memory += phase == Phase::forward ? 25'000'000 : -24'000'000;
      for (int rank = 0; rank < kRanks; ++rank) {
        const double noise = timeline.measured ? std::uniform_real_distribution<>(0.9, 1.3)(random) : 1 + 0.04 * rank;
        const Seconds start = collective ? (waits ? together : std::max(network[rank], compute[rank]))
                                         : (waits ? std::max(compute[rank], network[rank]) : compute[rank]);
        const Seconds end = start + 1e-3 * ms * noise;
        (collective ? network : compute)[rank] = end;
        timeline.times.push_back({rank, timeline.rows.last(), start, end});
        timeline.memory.push_back({rank, end, std::max<Bytes>(memory + 150'000'000 * rank, 0)});
      }
    }

    void layer(int l, Phase phase) {
      const bool forward = phase == Phase::forward;
      const std::string at = "layer " + std::to_string(l) + (forward ? " / forward / " : " / backward / ");
      const double scale = forward ? 1 : 1.9;
      const auto task = [&](const char* name, Op op, double ms, bool waits = false) {
        add(at + name, op, phase, l, ms * scale, waits);
      };
      task("norm", forward ? Op::norm : Op::norm_backward, 0.06);
      task("qkv", forward ? Op::linear : Op::linear_dgrad, 0.22);
      task("attention", forward ? Op::attention : Op::attention_backward, 0.42);
      task("out", forward ? Op::linear : Op::linear_wgrad, 0.11);
      task("add", Op::add, 0.02);
      if (l % 2 == 0) {
        task("ffn up", forward ? Op::linear : Op::linear_dgrad, 0.3);
        task("activation", forward ? Op::activation : Op::activation_backward, 0.05);
        task("ffn down", forward ? Op::linear : Op::linear_wgrad, 0.3);
        return;
      }
      task("router", forward ? Op::router : Op::router_backward, 0.05);
      task("permute", forward ? Op::permute : Op::permute_backward, 0.08);
      for (int chunk = 0; chunk < 2; ++chunk)
        task(chunk == 0 ? "dispatch / chunk 0" : "dispatch / chunk 1", Op::all_to_all, 0.35, chunk == 0);
      for (int chunk = 0; chunk < 2; ++chunk)
        task(chunk == 0 ? "experts / chunk 0" : "experts / chunk 1", forward ? Op::experts : Op::experts_dgrad, 0.5,
             chunk == 0);
      if (!forward) task("expert weights", Op::experts_wgrad, 0.6);
      for (int chunk = 0; chunk < 2; ++chunk)
        task(chunk == 0 ? "combine / chunk 0" : "combine / chunk 1", Op::all_to_all, 0.35, chunk == 0);
      task("unpermute", forward ? Op::unpermute : Op::unpermute_backward, 0.08, true);
    }
  };

  static Timeline make(bool is_measured) {
    Timeline timeline;
    timeline.measured = is_measured;
    timeline.plan_hash = "00000000000000aa";
    timeline.num_ranks = kRanks;
    timeline.num_steps = is_measured ? 20 : 1;
    Clock clock{timeline, std::mt19937(is_measured ? 3 : 5)};
    clock.add("embed", Op::embed, Phase::forward, -1, 0.15, false);
    for (int l = 0; l < kLayers; ++l) clock.layer(l, Phase::forward);
    clock.add("loss", Op::cross_entropy, Phase::forward, -1, 0.6, false);
    for (int l = kLayers - 1; l >= 0; --l) {
      clock.layer(l, Phase::backward);
      clock.add("layer " + std::to_string(l) + " / gradients", Op::all_reduce, Phase::backward, l, 0.7, false);
    }
    for (int l = 0; l < kLayers; ++l)
      clock.add("layer " + std::to_string(l) + " / adamw", Op::adamw, Phase::update, l, 0.12, l == 0);
    for (const TaskTime& time : timeline.times) timeline.step_seconds = std::max(timeline.step_seconds, time.end);
    return timeline;
  }
};

}  // namespace moesaic
