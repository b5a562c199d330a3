#pragma once
// Which expert states stay in host memory: the cache of SE-MoE (arXiv 2205.10034, section 3.2.2, Algorithm 2) as a
// deterministic state machine for simulator and executor alike. It moves no bytes and knows no clock: the caller does
// what each answer says, in the order of the answers.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace moesaic {

/// K of Algorithm 2 in training iterations, for a caller that knows how many requests one of its iterations makes.
constexpr double kDecayPeriodIterations = 2;

/// The paper gives none of these values: the defaults are our free choice, by the study of
/// experiments/03_which_experts_stay_in_host_memory.
struct ExpertCacheSettings {
  int64_t capacity = 0;  // entries; 0 keeps nothing
  /// Only an entry with at least so many hits may be evicted. Above 0 and with decay, an entry that is no longer
  /// requested falls below the threshold and is protected for ever; being the minimum, it blocks every admission.
  double threshold = 0;
  double decay = 0.25;       // beta: what every entry's hits are multiplied by, in [0, 1]; 1 never forgets
  int64_t period = 1024;     // K: requests between two decays; better kDecayPeriodIterations of the caller's iterations
  int64_t flush_period = 0;  // steps between two flushes of dirty entries; 0: only drain()
  bool operator==(const ExpertCacheSettings&) const = default;
};

/// What the caller must do for one request.
struct CacheAnswer {
  enum class Kind {
    kHit,       // the states are in host memory
    kAdmitted,  // write `victim` back if it is dirty, drop it, then fetch the states from storage into host memory
    kBypassed   // fetch the states from storage into a staging buffer; they leave no trace here
  };
  Kind kind = Kind::kHit;
  std::optional<int64_t> victim;  // only with kAdmitted, and only when the cache was full
  bool victim_is_dirty = false;
  bool operator==(const CacheAnswer&) const = default;
};

/// The cache of one node over the experts that it owns; id = moe_layer * num_experts + expert.
///
/// Where the paper's pseudo-code leaves a choice (its indentation is lost):
///  (a) `steps` counts requests: every request advances it, hit or not; after `period` of them all hits decay, those
///      of the request just served included.
///  (b) `acc_caches + 1 < CPU_size` would leave one slot empty for ever; here a full cache holds `capacity` entries.
///  (c) If even the least hits are below the threshold nobody may leave, and the request is bypassed: served from
///      storage, not admitted, not counted.
///  (d) A miss evicts exactly one entry: the one with the least hits, the lowest id among equals. The admitted entry
///      starts with 1 hit, and hits of an evicted one are forgotten.
///  (e) Hits are fractional after a decay, and stay so.
///
/// Consistency: an id that contains() has its current states in host memory, every other one on storage. A dirty entry
/// is one whose host copy is newer; it is reported exactly once per period of dirtiness: as a dirty victim, by
/// end_step() or by drain().
class ExpertCache {
 public:
  explicit ExpertCache(const ExpertCacheSettings& settings);

  /// A checkpoint of the decisions, not of the data: after a restart the caller loads entries() before the first
  /// request. Taken after drain(), nothing in it is dirty.
  struct State {
    std::vector<int64_t> ids;    // [entries], ascending
    std::vector<double> hits;    // [entries]
    std::vector<uint8_t> dirty;  // [entries], 0 or 1
    int64_t requests = 0;        // since the last decay
    int64_t steps = 0;           // since the last flush
    bool operator==(const State&) const = default;
  };
  ExpertCache(const ExpertCacheSettings& settings, const State& state);
  State state() const;

  CacheAnswer request(int64_t id);

  /// The caller changed the states of `id`. False: it is not in host memory, so the change belongs on storage at once.
  [[nodiscard]] bool mark_dirty(int64_t id);

  /// Ends a training step. Every `flush_period` steps: the dirty ids, ascending, for the caller to write to storage;
  /// they stay in host memory, clean. Else empty.
  [[nodiscard]] std::vector<int64_t> end_step();
  /// The same at once: before a checkpoint and at the end.
  [[nodiscard]] std::vector<int64_t> drain();

  bool contains(int64_t id) const { return entries_.count(id) > 0; }
  bool is_dirty(int64_t id) const;
  double hits(int64_t id) const;         // 0 when not in host memory
  std::vector<int64_t> entries() const;  // ascending
  const ExpertCacheSettings& settings() const { return settings_; }

 private:
  struct Entry {
    double hits = 0;
    bool dirty = false;
  };
  void admit(int64_t id, const Entry& entry);
  bool evict(CacheAnswer& answer);
  void decay();

  ExpertCacheSettings settings_;
  std::map<int64_t, Entry> entries_;
  std::set<std::pair<double, int64_t>> by_hits_;  // (hits, id) of every entry: the first is the next victim
  int64_t requests_ = 0, steps_ = 0;
};

}  // namespace moesaic
