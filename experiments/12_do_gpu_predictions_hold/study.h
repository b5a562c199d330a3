#pragma once
// Do predictions for GPUs hold, where nothing was fitted? Plans of what others have measured, priced from kernel
// tables.

#include "experiments/12_do_gpu_predictions_hold/result.h"
#include "experiments/laboratory/study.h"

namespace moesaic::experiments {

struct PredictionAxes {
  std::string name;
  std::vector<ServedConfiguration> served;
  std::vector<TrainedConfiguration> trained;
  std::vector<ExchangedConfiguration> exchanged;
};
PredictionAxes read_prediction_axes(const Json& json, const std::string& file);
PredictionResult run_prediction_study(const PredictionAxes& axes, const Laboratory& laboratory);
std::string prediction_tables(const PredictionResult& result);

extern const Study kPredictionStudy;

}  // namespace moesaic::experiments
