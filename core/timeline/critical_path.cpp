#include "core/timeline/critical_path.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <unordered_map>

#include "core/schema/formatted.h"
#include "core/timeline/rank_pieces.h"

namespace moesaic {
namespace {

struct Resource {
  const char *key, *words;
};
constexpr Resource kFamilies[] = {{"embedding", "embedding"},  // in the order of Family
                                  {"norms", "norms"},
                                  {"products", "dense products"},
                                  {"attention", "attention"},
                                  {"latent_attention", "latent attention"},
                                  {"activations", "activations"},
                                  {"router", "router"},
                                  {"row_movers", "permutation of rows"},
                                  {"einsum_rows", "products with masks"},
                                  {"experts", "expert compute"},
                                  {"loss", "loss"},
                                  {"optimizer", "optimizer"},
                                  {"transfers", "exposed transfers between tiers"}};
static_assert(std::size(kFamilies) == static_cast<size_t>(Family::collectives));
constexpr Resource kOthers[] = {
    {"all_to_all", "exposed all-to-all"},           {"all_reduce", "exposed all-reduce"},
    {"all_gather", "exposed all-gather"},           {"reduce_scatter", "exposed reduce-scatter"},
    {"stages", "exposed transfers between stages"}, {"idle", "idle"}};

std::string resource_of(const TimePiece& piece, const OfTasks<TaskRow>& rows) {
  if (piece.use == Use::idle) return "idle";
  const TaskRow& row = rows[piece.task];
  if (piece.use == Use::compute) return kFamilies[static_cast<size_t>(family_of(row.op))].key;
  if (piece.use == Use::transfer) return "transfers";
  const bool sends = row.stage_meeting == StageMeeting::next || row.stage_meeting == StageMeeting::previous;
  return sends ? "stages" : name_of(row.op);
}

std::string words_of(const std::string& key) {
  for (const Resource& resource : kFamilies)
    if (key == resource.key) return resource.words;
  for (const Resource& resource : kOthers)
    if (key == resource.key) return resource.words;
  return key;
}

class Walk {
 public:
  Walk(const Timeline& timeline, const Meeting& meeting)
      : timeline_(timeline), meeting_(meeting), pieces_(timeline), now_(pieces_.span()) {}

  PathSeconds run() {
    std::set<int> last;
    for (const TaskTime& time : timeline_.times)
      if (time.end == now_) last.insert(time.rank);
    for (int rank = 0; rank < timeline_.num_ranks; ++rank)
      if (last.contains(timeline_.same_times_as(rank))) rank_ = rank;
    while (now_ > 0) step();
    return std::move(path_);
  }

 private:
  /// A member of a meeting and when it came.
  struct Arrival {
    int rank;
    Seconds time;
  };

  void step() {
    const TimePiece piece = last_before(now_);
    Seconds from = piece.start;
    if (piece.use == Use::network || piece.use == Use::stage_wait) {
      const Arrival last = last_arrival(piece.task);
      // A message that was buffered ends before its receiver comes: its sender has waited for nobody.
      if (last.rank != rank_ && last.time >= from && last.time < now_) from = last.time, rank_ = last.rank;
    }
    path_[resource_of(piece, timeline_.rows)] += now_ - from;
    now_ = from;
  }

  TimePiece last_before(Seconds time) {
    auto [found, is_new] = of_ranks_.try_emplace(timeline_.same_times_as(rank_));
    if (is_new) found->second = pieces_.of(rank_);
    const std::vector<TimePiece>& all = found->second;
    const auto after = std::lower_bound(all.begin(), all.end(), time,
                                        [](const TimePiece& piece, Seconds t) { return piece.start < t; });
    return *std::prev(after);
  }

  Arrival last_arrival(TaskIndex task) const {
    Arrival last{rank_, pieces_.time_of(rank_, task)->start};
    for (const int member : meeting_(task, rank_))
      if (const TaskTime* time = pieces_.time_of(member, task); time != nullptr && time->start > last.time)
        last = {member, time->start};
    return last;
  }

  const Timeline& timeline_;
  const Meeting& meeting_;
  const RankPieces pieces_;
  std::unordered_map<int, std::vector<TimePiece>> of_ranks_;  // those that the walk has come to
  PathSeconds path_;
  int rank_ = 0;
  Seconds now_;
};

}  // namespace

PathSeconds critical_path(const Timeline& timeline, const Meeting& meeting) { return Walk(timeline, meeting).run(); }

PathSeconds critical_path(const Timeline& timeline, const TaskGraph& graph) {
  return critical_path(timeline, [&](TaskIndex task, int rank) -> std::span<const int> {
    const int communicator = graph.tasks[task].communicator;
    if (communicator < 0) return {};
    return graph.group(communicator, rank);
  });
}

std::string what_bounds(const PathSeconds& path) {
  Seconds whole = 0;
  std::vector<std::pair<Seconds, std::string>> shares;
  for (const auto& [key, seconds] : path) {
    whole += seconds;
    shares.emplace_back(-seconds, words_of(key));
  }
  std::sort(shares.begin(), shares.end());
  constexpr size_t kMost = 4;
  constexpr double kLeast = 0.005;
  std::string text;
  for (size_t i = 0; i < shares.size() && i < kMost && -shares[i].first >= kLeast * whole; ++i) {
    const std::string share = formatted("%.0f %%", -100 * shares[i].first / whole);
    text += i == 0 ? shares[i].second + " (" + share + " of the step)"
                   : (i == 1 ? "; " : ", ") + shares[i].second + " " + share;
  }
  return text.empty() ? "nothing" : text;
}

}  // namespace moesaic
