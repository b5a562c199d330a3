#pragma once
// Streams as queues of work that nobody has begun yet. Work runs when the host waits or asks, one piece at a time; a
// seed decides whose turn it is, so that an order which nothing enforces is an order that some seed breaks.
// It is not locked: the device's lock is held.

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/emulated_cuda/random.h"

namespace emulated_cuda {

struct Capture;

/// One recording of an event.
struct Record {
  bool reached = false;
  uint64_t tick = 0;               // pieces of work that ran before it was reached
  std::weak_ptr<Capture> capture;  // recorded while a graph was captured:
  bool captured = false;
  std::vector<size_t> nodes;  // what it stands behind in that graph
};

/// Exactly one of the three is set. `run` returns what went wrong, empty if nothing did.
struct Work {
  std::function<std::string()> run;
  std::shared_ptr<Record> wait = nullptr, reach = nullptr;
};

struct Node {
  std::vector<size_t> behind;
  std::function<std::string()> run;
};
using Graph = std::vector<Node>;

struct Capture {
  Graph graph;
  struct Stream* origin = nullptr;
  std::set<struct Stream*> streams;
  std::thread::id thread = {};  // must make no call that is unsafe meanwhile; none in relaxed mode
};

struct Stream {
  std::deque<Work> queue;
  uint64_t priority = 0;  // the highest of those that can go on has its turn
  bool destroyed = false;
  std::shared_ptr<Capture> capture;
  std::vector<size_t> last_nodes;  // what the next node of the graph stands behind
};

class Streams {
 public:
  Stream* create();
  void destroy(Stream* stream);  // what is queued still runs
  bool knows(const Stream* stream) const;
  Stream* default_stream();

  void append(Stream* stream, std::function<std::string()> run);
  std::shared_ptr<Record> record(Stream* stream);
  void wait(Stream* stream, std::shared_ptr<Record> record);

  /// Runs work, also of other streams, until `done` or until the first failure, which it returns. Calls `prepare`
  /// before every piece that may touch memory.
  std::string run_until(const std::function<bool()>& done, const std::function<void()>& prepare);
  bool all_idle() const;
  /// Whether the calling thread captures in a mode that forbids unsafe calls.
  bool captures_strictly() const;
  /// Forgets all queued work; events behind it count as reached.
  void drop_all();

  void set_seed(uint64_t seed);
  uint64_t next_random() { return seed_ == 0 ? 0 : random_.next(); }

 private:
  Stream* choose();
  std::string step(Stream* stream);

  std::vector<std::unique_ptr<Stream>> streams_;
  uint64_t seed_ = 1, ticks_ = 0;
  Random random_{1};
};

/// The nodes of a graph in an order that the seed chooses among the allowed ones.
std::string run_graph(const Graph& graph, uint64_t seed);

}  // namespace emulated_cuda
