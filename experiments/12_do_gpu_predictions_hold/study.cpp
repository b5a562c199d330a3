#include "experiments/12_do_gpu_predictions_hold/study.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/schema/error.h"

namespace moesaic::experiments {
namespace {

void leave_out(const ServedConfiguration& served, const std::string& why, std::vector<LeftOut>& left_out) {
  const auto same = std::find_if(left_out.begin(), left_out.end(), [&](const LeftOut& other) {
    return other.model == served.model && other.device == served.device && other.why == why;
  });
  if (same == left_out.end())
    left_out.push_back({served.model, served.device, why, 1});
  else
    ++same->rows;
}

ServedRow row_of(const ServedConfiguration& served, const Plan& plan, const Evaluation& evaluation) {
  const auto& classes = evaluation.prediction.critical_path_seconds;
  const auto largest = std::max_element(classes.begin(), classes.end(),
                                        [](const auto& a, const auto& b) { return a.second < b.second; });
  const Seconds step = evaluation.prediction.step_seconds;
  ServedRow row{served, step, flops_and_bytes(plan), "", 0, evaluation.feasible};
  if (largest != classes.end()) row.bound_by = largest->first, row.bound_share = largest->second / step;
  return row;
}

}  // namespace

PredictionAxes read_prediction_axes(const Json& json, const std::string& file) {
  ObjectReader reader = open_experiment(json, file);
  PredictionAxes axes;
  axes.name = reader["name"].text();
  take(reader["served"], axes.served);
  reader.finish();
  return axes;
}

PredictionResult run_prediction_study(const PredictionAxes& axes, const Laboratory& laboratory) {
  PredictionResult result;
  result.experiment = axes.name;
  for (size_t i = 0; i < axes.served.size(); ++i) {
    const ServedConfiguration& served = axes.served[i];
    laboratory.progress(static_cast<int>(i), static_cast<int>(axes.served.size()), served.model);
    try {
      const std::vector<Plan> plan = {decode_plan(served, laboratory)};
      result.rows.push_back(row_of(served, plan[0], laboratory.evaluator->evaluate(plan)[0]));
    } catch (const InputError& refusal) {
      leave_out(served, refusal.what(), result.left_out);
    }
  }
  if (!result.rows.empty()) result.summary = served_errors(result.rows);
  return result;
}

const Study kPredictionStudy = typed_study<read_prediction_axes, run_prediction_study, prediction_tables>(
    "gpu_predictions", [](const Json& result, const std::string& file) {
      auto again = read_document<PredictionResult>(result, file);
      again.summary = served_errors(again.rows);
      return write_document(again);
    });

}  // namespace moesaic::experiments
