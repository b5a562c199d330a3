#include "experiments/12_do_gpu_predictions_hold/study.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/schema/error.h"

namespace moesaic::experiments {
namespace {

void leave_out(const auto& run, const std::string& why, std::vector<LeftOut>& left_out) {
  const auto same = std::find_if(left_out.begin(), left_out.end(), [&](const LeftOut& other) {
    return other.model == run.model && other.device == run.device && other.why == why;
  });
  if (same == left_out.end())
    left_out.push_back({run.model, run.device, why, 1});
  else
    ++same->rows;
}

StepPrediction predicted(const Evaluation& evaluation, Seconds null_s) {
  const auto& classes = evaluation.prediction.critical_path_seconds;
  const auto largest = std::max_element(classes.begin(), classes.end(),
                                        [](const auto& a, const auto& b) { return a.second < b.second; });
  const Seconds step = evaluation.prediction.step_seconds;
  StepPrediction prediction{step, null_s, "", 0, evaluation.feasible};
  if (largest != classes.end()) prediction.bound_by = largest->first, prediction.bound_share = largest->second / step;
  return prediction;
}

ServedRow row_of(const ServedConfiguration& served, const Laboratory& laboratory) {
  const std::vector<Plan> plan = {decode_plan(served, laboratory)};
  return {predicted(laboratory.evaluator->evaluate(plan)[0], flops_and_bytes(plan[0])), served};
}

TrainedRow row_of(const TrainedConfiguration& trained, const Laboratory& laboratory) {
  const std::vector<Plan> plan = {training_plan(trained, laboratory)};
  const Evaluation evaluation = laboratory.evaluator->evaluate(plan)[0];
  const auto& peaks = evaluation.prediction.peak_bytes;
  const auto device = peaks.find("device");
  return {predicted(evaluation, training_flops_and_bytes(plan[0])), trained,
          device == peaks.end() ? 0 : device->second};
}

/// Rows of the runs that a plan can say; the others are counted with their reasons.
template <typename Row, typename Run>
void add_rows(const std::vector<Run>& runs, const Laboratory& laboratory, std::vector<Row>& rows,
              std::vector<LeftOut>& left_out) {
  for (size_t i = 0; i < runs.size(); ++i) {
    laboratory.progress(static_cast<int>(i), static_cast<int>(runs.size()), runs[i].model);
    try {
      rows.push_back(row_of(runs[i], laboratory));
    } catch (const InputError& refusal) {
      leave_out(runs[i], refusal.what(), left_out);
    }
  }
}

void summarise(PredictionResult& result) {
  if (!result.rows.empty()) result.summary = served_errors(result.rows);
  if (!result.trained.empty()) result.trained_summary = trained_errors(result.trained);
}

}  // namespace

PredictionAxes read_prediction_axes(const Json& json, const std::string& file) {
  ObjectReader reader = open_experiment(json, file);
  PredictionAxes axes;
  axes.name = reader["name"].text();
  take(reader["served"], axes.served);
  take(reader["trained"], axes.trained);
  reader.finish();
  return axes;
}

PredictionResult run_prediction_study(const PredictionAxes& axes, const Laboratory& laboratory) {
  PredictionResult result;
  result.experiment = axes.name;
  add_rows(axes.trained, laboratory, result.trained, result.left_out);
  add_rows(axes.served, laboratory, result.rows, result.left_out);
  summarise(result);
  return result;
}

const Study kPredictionStudy = typed_study<read_prediction_axes, run_prediction_study, prediction_tables>(
    "gpu_predictions", [](const Json& result, const std::string& file) {
      auto again = read_document<PredictionResult>(result, file);
      summarise(again);
      return write_document(again);
    });

}  // namespace moesaic::experiments
