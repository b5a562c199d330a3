// Reads and writes blocks of a file as the block store does, and lets fio do the same on the same file, in turns: the
// ratio of the two is little touched by what else the machine does. Prints one line per pattern.

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <map>
#include <numeric>
#include <random>
#include <vector>

#include "core/schema/error.h"
#include "executor/store/aligned_buffer.h"
#include "executor/store/async_file.h"
#include "executor/store/benchmark/fio.h"

namespace {

using namespace moesaic;
using namespace moesaic::executor;
using Clock = std::chrono::steady_clock;

constexpr int64_t kMiB = int64_t{1} << 20;

struct Settings {
  std::string folder = ".";
  int64_t mebibytes = 512;
  int repetitions = 3;
  IoEngineChoice engine = IoEngineChoice::automatic;
};

/// One pass over the file in blocks, sequential or in a random order, queue_depth blocks in flight.
double our_rate(AsyncFile& file, const AccessPattern& pattern, const std::vector<AlignedBuffer>& buffers,
                std::mt19937_64& random) {
  std::vector<int64_t> order(static_cast<size_t>(file.bytes() / pattern.block_bytes));
  std::iota(order.begin(), order.end(), 0);
  if (pattern.random) std::shuffle(order.begin(), order.end(), random);
  std::vector<Ticket> tickets(static_cast<size_t>(pattern.queue_depth));
  const Clock::time_point begin = Clock::now();
  for (const int64_t block : order) {
    // Like fio: the next block takes the place of whichever ended first.
    auto place = tickets.begin();
    while ((place = std::find_if(tickets.begin(), tickets.end(), [&](Ticket t) { return file.done(t); })) ==
           tickets.end()) {
      file.wait_for_any();
    }
    std::byte* memory = buffers[static_cast<size_t>(place - tickets.begin())].data();
    const int64_t offset = block * pattern.block_bytes;
    *place = pattern.is_write ? file.write(offset, memory, pattern.block_bytes)
                              : file.read(offset, memory, pattern.block_bytes);
  }
  for (const Ticket ticket : tickets) file.wait(ticket);
  return static_cast<double>(file.bytes()) / std::chrono::duration<double>(Clock::now() - begin).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

std::vector<AlignedBuffer> random_buffers(int count, int64_t bytes, std::mt19937_64& random) {
  std::vector<AlignedBuffer> buffers;
  for (int i = 0; i < count; ++i) {
    buffers.emplace_back(bytes);
    std::generate_n(reinterpret_cast<uint64_t*>(buffers.back().data()), bytes / 8, std::ref(random));
  }
  return buffers;
}

/// The median of the ratios within an alternation: what both meet alike falls out.
double compare(AsyncFile& file, const AccessPattern& pattern, int repetitions,
               const std::vector<AlignedBuffer>& buffers, std::mt19937_64& random) {
  std::vector<double> ours, peers, ratios;
  for (int i = 0; i < repetitions; ++i) {
    // The one that goes second finds the disk in the state that the first left: they take turns in that too.
    if (i % 2 == 1) peers.push_back(fio_rate(file.path(), pattern, file.bytes()));
    ours.push_back(our_rate(file, pattern, buffers, random));
    if (i % 2 == 0) peers.push_back(fio_rate(file.path(), pattern, file.bytes()));
    ratios.push_back(ours.back() / peers.back());
  }
  std::printf("%-10s %-5s %8lld KiB %5d %10.0f %10.0f %8.2f   %.2f .. %.2f\n", pattern.random ? "random" : "sequential",
              pattern.is_write ? "write" : "read", static_cast<long long>(pattern.block_bytes / 1024),
              pattern.queue_depth, median(ours) / 1e6, median(peers) / 1e6, median(ratios),
              *std::min_element(ratios.begin(), ratios.end()), *std::max_element(ratios.begin(), ratios.end()));
  std::fflush(stdout);
  return median(ratios);
}

void run(const Settings& settings) {
  std::mt19937_64 random(1);
  const std::string path = settings.folder + "/storage_bench." + std::to_string(::getpid());
  AsyncFileOptions options;
  options.engine = settings.engine;
  const auto file = AsyncFile::create(path, settings.mebibytes * kMiB, options);
  const struct Removal {
    std::string path;
    ~Removal() { std::filesystem::remove(path); }
  } removal{path};
  const std::vector<AlignedBuffer> buffers = random_buffers(16, 4 * kMiB, random);
  our_rate(*file, {true, false, kMiB, 16}, buffers, random);  // the first write of a block costs a file system more
  std::printf("engine %s, %s, file of %lld MiB, medians of %d alternations\n", file->engine(),
              file->direct() ? "direct" : "through the page cache: no figure of the disk",
              static_cast<long long>(settings.mebibytes), settings.repetitions);
  std::printf("%-10s %-5s %12s %5s %10s %10s %8s   %s\n", "order", "", "block", "depth", "ours MB/s", "fio MB/s",
              "ratio", "range");
  std::vector<double> ratios;
  for (const bool is_write : {false, true})
    for (const bool shuffled : {false, true})
      for (const int64_t block_bytes : {kMiB / 4, kMiB, 4 * kMiB})
        for (const int queue_depth : {1, 4, 16})
          ratios.push_back(
              compare(*file, {is_write, shuffled, block_bytes, queue_depth}, settings.repetitions, buffers, random));
  const auto passed = std::count_if(ratios.begin(), ratios.end(), [](double ratio) { return ratio >= 0.9; });
  std::printf("%lld of %zu patterns at 0.9 of fio or more; median ratio %.2f, lowest %.2f\n",
              static_cast<long long>(passed), ratios.size(), median(ratios),
              *std::min_element(ratios.begin(), ratios.end()));
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Rates of block reads and writes against fio, in turns");
  Settings settings;
  app.add_option("--folder", settings.folder, "on the disk to be measured")->capture_default_str();
  app.add_option("--mib", settings.mebibytes, "size of the file, moved once per measurement")
      ->capture_default_str()
      ->check(CLI::Range(64, 1 << 20));
  app.add_option("--repetitions", settings.repetitions)->capture_default_str()->check(CLI::Range(1, 100));
  const std::map<std::string, IoEngineChoice> engines = {{"automatic", IoEngineChoice::automatic},
                                                         {"io_uring", IoEngineChoice::io_uring},
                                                         {"threads", IoEngineChoice::threads}};
  app.add_option("--engine", settings.engine, "automatic, io_uring or threads")
      ->transform(CLI::CheckedTransformer(engines));
  CLI11_PARSE(app, argc, argv);
  try {
    run(settings);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "storage_bench: %s\n", error.what());
    return 3;
  }
}
