#include "core/policy/expert_cache.h"

#include <cmath>

#include "core/schema/error.h"

namespace moesaic {

ExpertCache::ExpertCache(const ExpertCacheSettings& settings) : settings_(settings) {
  MOESAIC_CHECK(settings.capacity >= 0, "an expert cache holds no negative number of entries");
  MOESAIC_CHECK(std::isfinite(settings.threshold) && settings.threshold >= 0, "the threshold counts hits");
  MOESAIC_CHECK(settings.decay >= 0 && settings.decay <= 1, "the decay of hits is a factor in [0, 1]");
  MOESAIC_CHECK(settings.period >= 1, "hits decay after one request at the earliest");
  MOESAIC_CHECK(settings.flush_period >= 0, "the flush period counts steps");
}

ExpertCache::ExpertCache(const ExpertCacheSettings& settings, const State& state) : ExpertCache(settings) {
  const size_t size = state.ids.size();
  MOESAIC_CHECK(state.hits.size() == size && state.dirty.size() == size, "every entry has hits and a dirty flag");
  MOESAIC_CHECK(static_cast<int64_t>(size) <= settings.capacity, "the state fits the capacity");
  MOESAIC_CHECK(state.requests >= 0 && state.requests < settings.period, "hits decay once per period");
  MOESAIC_CHECK(state.steps >= 0 && (settings.flush_period == 0 || state.steps < settings.flush_period),
                "dirty entries are flushed once per flush period");
  for (size_t i = 0; i < size; ++i) {
    MOESAIC_CHECK(state.ids[i] >= 0 && !contains(state.ids[i]), "ids are distinct and not negative");
    MOESAIC_CHECK(std::isfinite(state.hits[i]) && state.hits[i] >= 0, "hits are counted");
    admit(state.ids[i], {state.hits[i], state.dirty[i] != 0});
  }
  requests_ = state.requests;
  steps_ = state.steps;
}

ExpertCache::State ExpertCache::state() const {
  State state;
  for (const auto& [id, entry] : entries_) {
    state.ids.push_back(id);
    state.hits.push_back(entry.hits);
    state.dirty.push_back(entry.dirty ? 1 : 0);
  }
  state.requests = requests_;
  state.steps = steps_;
  return state;
}

CacheAnswer ExpertCache::request(int64_t id) {
  MOESAIC_CHECK(id >= 0, "an expert's id is not negative");
  CacheAnswer answer;
  if (const auto found = entries_.find(id); found != entries_.end()) {
    by_hits_.erase({found->second.hits, id});
    by_hits_.emplace(++found->second.hits, id);
  } else if (static_cast<int64_t>(entries_.size()) < settings_.capacity || evict(answer)) {
    answer.kind = CacheAnswer::Kind::kAdmitted;
    admit(id, {1, false});
  } else {
    answer.kind = CacheAnswer::Kind::kBypassed;
  }
  if (++requests_ == settings_.period) decay();
  return answer;
}

void ExpertCache::admit(int64_t id, const Entry& entry) {
  entries_.emplace(id, entry);
  by_hits_.emplace(entry.hits, id);
}

/// False when nobody may leave.
bool ExpertCache::evict(CacheAnswer& answer) {
  if (by_hits_.empty() || by_hits_.begin()->first < settings_.threshold) return false;
  const auto victim = entries_.find(by_hits_.begin()->second);
  answer.victim = victim->first;
  answer.victim_is_dirty = victim->second.dirty;
  by_hits_.erase(by_hits_.begin());
  entries_.erase(victim);
  return true;
}

/// Hits that differ may become equal by rounding, so the order is built anew.
void ExpertCache::decay() {
  requests_ = 0;
  by_hits_.clear();
  for (auto& [id, entry] : entries_) {
    entry.hits *= settings_.decay;
    by_hits_.emplace(entry.hits, id);
  }
}

bool ExpertCache::mark_dirty(int64_t id) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return false;
  found->second.dirty = true;
  return true;
}

std::vector<int64_t> ExpertCache::end_step() {
  if (settings_.flush_period == 0 || ++steps_ < settings_.flush_period) return {};
  return drain();
}

std::vector<int64_t> ExpertCache::drain() {
  steps_ = 0;
  std::vector<int64_t> written_back;
  for (auto& [id, entry] : entries_) {
    if (entry.dirty) written_back.push_back(id);
    entry.dirty = false;
  }
  return written_back;
}

bool ExpertCache::is_dirty(int64_t id) const {
  const auto found = entries_.find(id);
  return found != entries_.end() && found->second.dirty;
}

double ExpertCache::hits(int64_t id) const {
  const auto found = entries_.find(id);
  return found == entries_.end() ? 0 : found->second.hits;
}

std::vector<int64_t> ExpertCache::entries() const {
  std::vector<int64_t> ids;
  for (const auto& [id, entry] : entries_) ids.push_back(id);
  return ids;
}

}  // namespace moesaic
