// Times one MoE layer through the executor's runtime against its matrix products alone in oneDNN, in turns, on 1 or 2
// rank threads. With --serve it times on request instead, so that a script can take turns with other programs.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <barrier>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <sstream>

#include "executor/benchmark/layer_graph.h"
#include "executor/benchmark/raw_products.h"
#include "executor/benchmark/values.h"
#include "executor/comm/threads.h"
#include "executor/cpu/cpu_backend.h"
#include "executor/cpu/instruction_set.h"
#include "executor/runtime/lanes/rank_step.h"

namespace moesaic::executor {
namespace {

struct Request {
  bool raw = false, backward = false;
  int runs = 0;  // 0: the end
};

/// What the rank threads share. Rank 0 writes requests and reads results between two barriers.
struct Crew {
  explicit Crew(int ranks) : meet(ranks), expert_rows(static_cast<size_t>(ranks)), seconds(expert_rows.size()) {}
  std::barrier<> meet;
  Request request;
  std::vector<std::vector<int64_t>> expert_rows;  // [ranks][experts]: rows that a rank's tokens send
  std::vector<std::vector<double>> seconds;       // [ranks][runs] of the last request
};

/// One pass over the layer on one rank, through the runtime and as bare products.
class Pass {
 public:
  Pass(const LayerShape& shape, const Plan& plan, bool backward, Backend& backend, Transport& transport)
      : shape_(shape),
        backward_(backward),
        layer_(layer_graph(plan, backward)),
        tensors_(layer_.graph, backend, transport.rank()),
        step_(layer_.graph, plan, transport.rank(), backend, transport, tensors_) {
    constexpr float kWeights = 0.035f, kNormed = 1.7f;  // half widths: standard deviations 0.02 and 1
    for (const Parameter& parameter : layer_.graph.parameters) fill(tensors_.resident(parameter.weight), 0, kWeights);
    const auto rank = static_cast<uint64_t>(transport.rank());
    for (TensorId input : {layer_.normed, layer_.residual}) fill(tensors_.resident(input), rank, kNormed);
    fill(tensors_.resident(layer_.output_gradient), rank, kWeights);
  }

  StepRecord run_layer(int64_t step) { return step_.run(step, watch_); }

  double run_raw() {
    const auto begin = std::chrono::steady_clock::now();
    raw_->run();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }

  /// On the thread that runs the layer and after it has run: the library then uses one thread, as it does there.
  void make_raw(const std::vector<int64_t>& slot_rows) {
    raw_ = std::make_unique<RawProducts>(shape_, slot_rows, backward_);
  }
  double raw_flops() const { return raw_->flops(); }

 private:
  LayerShape shape_;
  bool backward_;
  Layer layer_;
  TensorStore tensors_;
  RankStep step_;
  Watch watch_;
  std::unique_ptr<RawProducts> raw_;
};

/// Rows that arrive at the expert slots of a rank; experts lie contiguously over the ranks.
std::vector<int64_t> slot_rows(const Crew& crew, const LayerShape& shape, int rank) {
  const int64_t slots = shape.experts / shape.ranks;
  std::vector<int64_t> rows(static_cast<size_t>(slots), 0);
  for (const auto& source : crew.expert_rows)
    for (int64_t slot = 0; slot < slots; ++slot)
      rows[static_cast<size_t>(slot)] += source[static_cast<size_t>(rank * slots + slot)];
  return rows;
}

class Rank {
 public:
  Rank(const LayerShape& shape, Crew& crew, Transport& transport)
      : crew_(crew),
        rank_(static_cast<size_t>(transport.rank())),
        plan_(layer_plan(shape)),
        forward_(shape, plan_, false, backend_, transport),
        training_(shape, plan_, true, backend_, transport) {
    crew_.expert_rows[rank_] = forward_.run_layer(step_++).expert_rows;
    crew_.meet.arrive_and_wait();
    forward_.make_raw(slot_rows(crew_, shape, transport.rank()));
    training_.make_raw(slot_rows(crew_, shape, transport.rank()));
  }

  double flops(bool backward) const { return backward ? training_.raw_flops() : forward_.raw_flops(); }

  /// Serves requests until the end of them.
  void follow() {
    for (;;) {
      crew_.meet.arrive_and_wait();
      const Request request = crew_.request;
      if (request.runs == 0) return;
      Pass& pass = request.backward ? training_ : forward_;
      std::vector<double>& seconds = crew_.seconds[rank_];
      seconds.clear();
      for (int i = 0; i < request.runs; ++i)
        seconds.push_back(request.raw ? pass.run_raw() : pass.run_layer(step_++).seconds);
      crew_.meet.arrive_and_wait();
      if (rank_ == 0) return;
    }
  }

  /// Rank 0: has all ranks serve one request. The seconds of the slowest rank, [runs].
  std::vector<double> ask(const Request& request) {
    crew_.request = request;
    follow();
    std::vector<double> slowest = crew_.seconds[0];
    for (const auto& of_rank : crew_.seconds)
      for (size_t i = 0; i < slowest.size(); ++i) slowest[i] = std::max(slowest[i], of_rank[i]);
    return slowest;
  }

 private:
  Crew& crew_;
  size_t rank_;
  Plan plan_;
  cpu::CpuBackend backend_;
  Pass forward_, training_;
  int64_t step_ = 0;  // of both passes: the numbers of a run's messages are used once
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// First the instruction set; then, for lines "layer|raw forward|training RUNS", the seconds of each run.
void serve(Rank& rank) {
  std::printf("%s\n", cpu::instruction_set().c_str());
  std::fflush(stdout);
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    std::string what, pass;
    Request request;
    words >> what >> pass >> request.runs;
    if (request.runs < 1) break;
    request.raw = what == "raw";
    request.backward = pass == "training";
    for (double seconds : rank.ask(request)) std::printf("%.9f ", seconds);
    std::printf("\n");
    std::fflush(stdout);
  }
}

void alternate(Rank& rank, int rounds) {
  std::printf("instruction set %s\n", cpu::instruction_set().c_str());
  for (const bool backward : {false, true}) {
    std::vector<double> layer, raw;
    for (int round = -2; round < rounds; ++round) {  // two rounds make the primitives
      const double of_layer = rank.ask({false, backward, 1})[0], of_raw = rank.ask({true, backward, 1})[0];
      if (round < 0) continue;
      layer.push_back(of_layer);
      raw.push_back(of_raw);
    }
    std::printf("%-9s layer %8.3f ms   products alone %8.3f ms (%5.1f GFLOP/s on rank 0)   ratio %.3f\n",
                backward ? "training" : "forward", median(layer) * 1e3, median(raw) * 1e3,
                rank.flops(backward) / median(raw) / 1e9, median(raw) / median(layer));
  }
}

int run(int argc, char** argv) {
  LayerShape shape{1024, 512, 1024, 8, 2, DType::f32, 1};
  std::string dtype = "f32";
  bool serves = false;
  int rounds = 31;
  CLI::App app("Times one MoE layer on CPU ranks against its matrix products alone in oneDNN.");
  app.add_option("--tokens", shape.tokens, "tokens of all ranks");
  app.add_option("--hidden", shape.hidden, "width of a token");
  app.add_option("--intermediate", shape.intermediate, "width inside an expert");
  app.add_option("--experts", shape.experts, "experts of all ranks");
  app.add_option("--top-k", shape.top_k, "experts per token");
  app.add_option("--dtype", dtype, "of matrix products")->check(CLI::IsMember({"f32", "bf16"}));
  app.add_option("--ranks", shape.ranks, "rank threads");
  app.add_option("--rounds", rounds, "rounds of one run each");
  app.add_flag("--serve", serves, "read requests \"layer|raw forward|training RUNS\" from standard input");
  CLI11_PARSE(app, argc, argv);
  shape.dtype = dtype == "bf16" ? DType::bf16 : DType::f32;
  Crew crew(shape.ranks);
  run_on_threads(shape.ranks, shape.ranks, [&](int index, Transport& transport) {
    try {
      Rank rank(shape, crew, transport);
      if (index > 0) return rank.follow();
      if (serves)
        serve(rank);
      else
        alternate(rank, rounds);
      crew.request = {};
      rank.follow();
    } catch (const std::exception& error) {  // the other ranks wait at a barrier that knows no errors
      std::fprintf(stderr, "rank %d: %s\n", index, error.what());
      std::_Exit(1);
    }
  });
  return 0;
}

}  // namespace
}  // namespace moesaic::executor

int main(int argc, char** argv) { return moesaic::executor::run(argc, argv); }
