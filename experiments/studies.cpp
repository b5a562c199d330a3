#include "experiments/studies.h"

#include "experiments/01_does_the_simulator_predict_the_executor/study.h"
#include "experiments/02_semoe_training_table/study.h"
#include "experiments/02b_does_semoe_win_here/study.h"
#include "experiments/03_which_experts_stay_in_host_memory/study.h"
#include "experiments/04_when_does_hierarchical_all_to_all_win/study.h"
#include "experiments/06_does_elastic_training_pay/study.h"
#include "experiments/07_what_does_the_embedding_partition_save/study.h"
#include "experiments/08_what_does_2d_prefetch_hide/study.h"
#include "experiments/10_what_does_each_layout_cost/study.h"
#include "experiments/12_do_gpu_predictions_hold/study.h"
#include "experiments/14_how_well_are_gpu_prices_read/study.h"
#include "experiments/15_what_does_simulating_cost/study.h"

namespace moesaic::experiments {
namespace {

constexpr const Study* kStudies[] = {&kFidelityStudy, &kTableStudy,      &kPresetsHereStudy, &kExpertCacheStudy,
                                     &kExchangeStudy, &kElasticStudy,    &kEmbeddingStudy,   &kGridStudy,
                                     &kLayoutStudy,   &kPredictionStudy, &kReadingStudy,     &kCostStudy};

}  // namespace

const Study* study_of(const Json& experiment, const std::string& file) {
  ObjectReader reader = open_document(experiment, file, "", "experiment");
  const Field named = reader["study"];
  if (!named.present()) return nullptr;
  std::vector<const char*> names;
  for (const Study* study : kStudies) names.push_back(study->name);
  return kStudies[named.choice(names)];
}

}  // namespace moesaic::experiments
