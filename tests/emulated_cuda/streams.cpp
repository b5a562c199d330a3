#include "tests/emulated_cuda/streams.h"

#include <algorithm>

namespace emulated_cuda {

Stream* Streams::default_stream() {
  if (streams_.empty()) (void)create();
  return streams_.front().get();
}

Stream* Streams::create() {
  streams_.push_back(std::make_unique<Stream>());
  streams_.back()->priority = next_random();
  return streams_.back().get();
}

void Streams::destroy(Stream* stream) { stream->destroyed = true; }

bool Streams::knows(const Stream* stream) const {
  return std::any_of(streams_.begin(), streams_.end(),
                     [stream](const auto& known) { return known.get() == stream && !known->destroyed; });
}

void Streams::append(Stream* stream, std::function<std::string()> run) {
  if (stream->capture == nullptr) return stream->queue.push_back({std::move(run)});
  Graph& graph = stream->capture->graph;
  graph.push_back({stream->last_nodes, std::move(run)});
  stream->last_nodes = {graph.size() - 1};
}

std::shared_ptr<Record> Streams::record(Stream* stream) {
  auto record = std::make_shared<Record>();
  if (stream->capture == nullptr) {
    stream->queue.push_back({nullptr, nullptr, record});
  } else {
    record->captured = true;
    record->capture = stream->capture;
    record->nodes = stream->last_nodes;
  }
  return record;
}

void Streams::wait(Stream* stream, std::shared_ptr<Record> record) {
  if (!record->captured) return stream->queue.push_back({nullptr, std::move(record)});
  if (stream->capture == nullptr) {
    stream->capture = record->capture.lock();
    stream->capture->streams.insert(stream);
  }
  stream->last_nodes.insert(stream->last_nodes.end(), record->nodes.begin(), record->nodes.end());
}

Stream* Streams::choose() {
  Stream* chosen = nullptr;
  for (const auto& stream : streams_) {
    if (stream->queue.empty()) continue;
    const Work& work = stream->queue.front();
    if (work.wait != nullptr && !work.wait->reached) continue;
    if (chosen == nullptr || stream->priority > chosen->priority) chosen = stream.get();
  }
  return chosen;
}

/// Priorities that change now and then find more than a new throw for every piece: they let one stream run far ahead
/// (Burckhardt et al., A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs, 2010).
std::string Streams::step(Stream* stream) {
  constexpr unsigned kPiecesPerChange = 8;
  Work work = std::move(stream->queue.front());
  stream->queue.pop_front();
  if (seed_ != 0 && random_.below(kPiecesPerChange) == 0) stream->priority = random_.next();
  ++ticks_;
  if (work.reach != nullptr) {
    work.reach->reached = true;
    work.reach->tick = ticks_;
  }
  std::string failure = work.run ? work.run() : "";
  std::erase_if(streams_, [](const auto& known) { return known->destroyed && known->queue.empty(); });
  return failure;
}

std::string Streams::run_until(const std::function<bool()>& done, const std::function<void()>& prepare) {
  while (!done()) {
    Stream* stream = choose();
    if (stream == nullptr) return "every stream waits for an event that nothing will reach";
    if (stream->queue.front().run) prepare();
    if (std::string failure = step(stream); !failure.empty()) return failure;
  }
  return "";
}

bool Streams::all_idle() const {
  return std::all_of(streams_.begin(), streams_.end(), [](const auto& stream) { return stream->queue.empty(); });
}

bool Streams::captures_strictly() const {
  return std::any_of(streams_.begin(), streams_.end(), [](const auto& stream) {
    return stream->capture != nullptr && stream->capture->thread == std::this_thread::get_id();
  });
}

void Streams::drop_all() {
  for (const auto& stream : streams_) {
    for (const Work& work : stream->queue)
      if (work.reach != nullptr) work.reach->reached = true;
    stream->queue.clear();
  }
}

void Streams::set_seed(uint64_t seed) {
  seed_ = seed;
  random_ = Random(seed);
  for (const auto& stream : streams_) stream->priority = next_random();
}

std::string run_graph(const Graph& graph, uint64_t seed) {
  Random random(seed);
  std::vector<bool> ran(graph.size());
  for (size_t count = 0; count < graph.size(); ++count) {
    std::vector<size_t> ready;
    for (size_t i = 0; i < graph.size(); ++i)
      if (!ran[i] &&
          std::all_of(graph[i].behind.begin(), graph[i].behind.end(), [&](size_t node) { return ran[node]; }))
        ready.push_back(i);
    const size_t node = ready[seed == 0 ? 0 : random.below(static_cast<unsigned>(ready.size()))];
    ran[node] = true;
    if (std::string failure = graph[node].run(); !failure.empty()) return failure;
  }
  return "";
}

}  // namespace emulated_cuda
