#include "core/plan/expert_storage.h"

#include <nlohmann/json.hpp>

#include "core/plan/decision_field.h"
#include "core/plan/plan.h"
#include "core/plan/plan_checker.h"
#include "core/schema/formatted.h"

namespace moesaic {
namespace {

constexpr const char* kTierNames[] = {"device", "host", "storage"};

std::string home_in_words(const ExpertStorage& storage) {
  if (storage.home == Tier::device) return "";
  return storage.home == Tier::host ? "in host memory" : "on storage";
}

std::string cache_in_words(const ExpertStorage& storage) {
  if (storage.home != Tier::storage) return "";
  return with_commas(storage.cache_entries) + " expert slots cached per rank";
}

}  // namespace

const char* name_of(Tier tier) { return kTierNames[static_cast<size_t>(tier)]; }

template <>
const FieldTable<ExpertStorage>& fields_of<ExpertStorage>() {
  static const FieldTable<ExpertStorage> fields = {
      choice("home", &ExpertStorage::home, kTierNames, "tier where experts' weights and moments live between uses")
          .in_training("offloads training states")
          .in_summary("expert states", home_in_words),
      integer("cache_entries", &ExpertStorage::cache_entries, kNotNegativeCount,
              "expert slots per rank whose states host memory caches; where the home is storage")
          .in_training()
          .in_summary("expert states", cache_in_words),
      number("threshold", &ExpertStorage::threshold, kNotNegative, "hits below which the cache does not evict an entry")
          .in_training(),
      number("decay", &ExpertStorage::decay, {0, 1}, "factor on all hits of the cache at each decay").in_training(),
      integer("period", &ExpertStorage::period, kNotNegativeCount,
              "requests between two decays; 0: those of two training iterations")
          .in_training(),
      integer("flush_period", &ExpertStorage::flush_period, kNotNegativeCount,
              "steps between two flushes of changed states to storage; 0: only when evicted")
          .in_training(),
  };
  return fields;
}

void check_expert_storage(const Plan& plan, const PlanChecker& check) {
  const ExpertStorage& storage = plan.expert_storage;
  check.require(storage.home == Tier::storage || storage.cache_entries == 0, "/expert_storage/cache_entries",
                "caches states whose home is not storage", "set it to 0, or home to \"storage\"");
  check.require(storage.home != Tier::storage || plan.cluster.storage_read_bytes_per_s > 0, "/expert_storage/home",
                "is storage, which the cluster does not have", "give the cluster storage, or set home to \"host\"");
}

}  // namespace moesaic
