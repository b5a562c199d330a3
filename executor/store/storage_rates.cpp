#include "executor/store/storage_rates.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <functional>
#include <random>
#include <vector>

#include "executor/store/aligned_buffer.h"
#include "executor/store/block_store.h"

namespace moesaic::executor {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kBlockBytes = int64_t{4} << 20;  // of the order of one expert's states
constexpr int kNumBlocks = 16;                     // 64 MiB: half a second of a disk of 128 MB/s
constexpr int kInFlight = 8;
constexpr int kMaxBlocksPerRate = 2048;  // 8 GiB: a fast device needs no more
constexpr double kSecondsPerLatency = 0.2;
constexpr int kMaxLatencies = 256;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

/// Keeps kInFlight blocks in flight until the time is over, at least one; bytes per second until the last has ended.
double rate(BlockStore& store, int num_blocks, double seconds,
            const std::function<Ticket(int block, int buffer)>& start) {
  std::vector<Ticket> tickets(static_cast<size_t>(std::min(kInFlight, num_blocks)));
  const Clock::time_point begin = Clock::now();
  int64_t blocks = 0;
  while (blocks == 0 || (blocks < kMaxBlocksPerRate && seconds_since(begin) < seconds)) {
    const size_t buffer = static_cast<size_t>(blocks) % tickets.size();
    store.wait(tickets[buffer]);
    tickets[buffer] = start(static_cast<int>(blocks) % num_blocks, static_cast<int>(buffer));
    ++blocks;
  }
  for (const Ticket ticket : tickets) store.wait(ticket);
  return static_cast<double>(blocks * store.block_bytes()) / seconds_since(begin);
}

/// Writes blocks for the first time, which costs a file system more than later writes; how many in a share of the time.
int lay_out(BlockStore& store, double seconds, const AlignedBuffer& data) {
  const Clock::time_point begin = Clock::now();
  int blocks = 0;
  while (blocks < kNumBlocks && (blocks == 0 || seconds_since(begin) < seconds)) {
    store.wait(store.write(blocks++, data.data()));
  }
  return blocks;
}

double read_latency(const std::string& folder, std::mt19937_64& random) {
  BlockStore store(folder, kMaxLatencies, kFileAlignment);
  const AlignedBuffer buffer(kFileAlignment);
  std::memset(buffer.data(), 1, static_cast<size_t>(buffer.bytes()));
  std::vector<Ticket> writes;
  for (int block = 0; block < kMaxLatencies; ++block) writes.push_back(store.write(block, buffer.data()));
  for (const Ticket write : writes) store.wait(write);
  std::vector<double> latencies;
  const Clock::time_point begin = Clock::now();
  while (latencies.empty() || (latencies.size() < kMaxLatencies && seconds_since(begin) < kSecondsPerLatency)) {
    const Clock::time_point start = Clock::now();
    store.wait(store.read(static_cast<int64_t>(random() % kMaxLatencies), buffer.data()));
    latencies.push_back(seconds_since(start));
  }
  const auto middle = latencies.begin() + static_cast<std::ptrdiff_t>(latencies.size() / 2);
  std::nth_element(latencies.begin(), middle, latencies.end());
  return *middle;
}

}  // namespace

StorageRates measure_storage(const std::string& folder, double seconds_per_rate) {
  std::mt19937_64 random(1);
  StorageRates rates;
  {
    BlockStore store(folder, kNumBlocks, kBlockBytes);
    rates.direct = store.direct();
    rates.engine = store.engine();
    std::vector<AlignedBuffer> buffers;
    for (int i = 0; i < kInFlight; ++i) {
      buffers.emplace_back(kBlockBytes);
      // Not zeros, nor the same twice: some devices compress or share what they store.
      auto* words = reinterpret_cast<uint64_t*>(buffers.back().data());
      std::generate_n(words, kBlockBytes / sizeof(uint64_t), std::ref(random));
    }
    const int laid_out = lay_out(store, seconds_per_rate, buffers[0]);
    std::vector<int> order(static_cast<size_t>(laid_out));
    for (int i = 0; i < laid_out; ++i) order[static_cast<size_t>(i)] = i;
    std::shuffle(order.begin(), order.end(), random);
    rates.write_bytes_per_s = rate(store, laid_out, seconds_per_rate,
                                   [&](int i, int buffer) { return store.write(order[i], buffers[buffer].data()); });
    rates.read_bytes_per_s = rate(store, laid_out, seconds_per_rate,
                                  [&](int i, int buffer) { return store.read(order[i], buffers[buffer].data()); });
  }
  rates.read_latency_s = read_latency(folder, random);
  return rates;
}

}  // namespace moesaic::executor
