#include "executor/profiling/bench.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <mutex>
#include <numeric>

#ifdef MOESAIC_HAVE_BENCHMARK
#include <benchmark/benchmark.h>
#endif

namespace moesaic::executor {
namespace {

constexpr int kCommunicatorId = 65535;  // the highest: step graphs count theirs from 0

std::vector<int> all_ranks(int size) {
  std::vector<int> ranks(static_cast<size_t>(size));
  std::iota(ranks.begin(), ranks.end(), 0);
  return ranks;
}

#ifdef MOESAIC_HAVE_BENCHMARK
/// Keeps the manual time of each repetition and prints nothing.
class Capture final : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs)
      if (run.run_type == Run::RT_Iteration && !run.error_occurred)
        seconds.push_back(run.real_accumulated_time / static_cast<double>(run.iterations));
  }
  std::vector<Seconds> seconds;
};

/// The library's registry is one per process.
std::vector<Seconds> run_benchmark(const std::string& name, int repetitions, const std::function<Seconds()>& once) {
  static std::mutex registry;
  const std::lock_guard lock(registry);
  std::exception_ptr error;  // none may pass through the library
  const auto body = [&](benchmark::State& state) {
    for (auto _ : state) {
      try {
        if (!error) state.SetIterationTime(once());
      } catch (...) {
        error = std::current_exception();
      }
    }
    if (error) state.SkipWithError("ended");
  };
  benchmark::RegisterBenchmark(name.c_str(), body)->UseManualTime()->Iterations(1)->Repetitions(repetitions);
  Capture capture;
  benchmark::RunSpecifiedBenchmarks(&capture, ".");
  benchmark::ClearRegisteredBenchmarks();
  if (error) std::rethrow_exception(error);
  return std::move(capture.seconds);
}
#else
std::vector<Seconds> run_benchmark(const std::string&, int repetitions, const std::function<Seconds()>& once) {
  std::vector<Seconds> seconds(static_cast<size_t>(repetitions));
  std::generate(seconds.begin(), seconds.end(), once);
  return seconds;
}
#endif

}  // namespace

Seconds steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Bench::Bench(Transport& transport) : all_(transport, all_ranks(transport.size()), kCommunicatorId) {}

void Bench::barrier() { all_.barrier(next_sequence())->wait(); }

std::vector<double> Bench::gather(double value) {
  std::vector<double> values(static_cast<size_t>(all_.size()));
  all_.all_gather(next_sequence(), &value, sizeof(value), values.data())->wait();
  return values;
}

double Bench::mean_over_ranks(double value) {
  const std::vector<double> values = gather(value);
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double Bench::max_over_ranks(double value) {
  const std::vector<double> values = gather(value);
  return *std::max_element(values.begin(), values.end());
}

std::vector<Seconds> Bench::sorted_samples(const std::string& name, int repetitions,
                                           const std::function<Seconds()>& once) {
  std::vector<Seconds> seconds;
  if (all_.rank() == 0) {
    seconds = run_benchmark(name, repetitions, once);
  } else {
    for (int i = 0; i < repetitions; ++i) seconds.push_back(once());
  }
  std::sort(seconds.begin(), seconds.end());
  return seconds;
}

Seconds Bench::median(const std::string& name, int repetitions, const std::function<Seconds()>& once) {
  const std::vector<Seconds> seconds = sorted_samples(name, repetitions, once);
  return seconds[seconds.size() / 2];
}

}  // namespace moesaic::executor
