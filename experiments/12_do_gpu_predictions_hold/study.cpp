#include "experiments/12_do_gpu_predictions_hold/study.h"

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <tuple>
#include <type_traits>

#include "core/schema/error.h"
#include "experiments/figures/table.h"
#include "experiments/laboratory/exchange_plan.h"

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

/// Rows of the runs that a plan can say; what they share is evaluated once.
class PredictedRows {
 public:
  explicit PredictedRows(const Laboratory& laboratory) : laboratory_(laboratory) {}

  ServedRow row_of(const ServedConfiguration& served) {
    std::vector<Plan> plans = {decode_plan(served, laboratory_)};
    const bool is_new = !prefills_.contains(prefill_key(served));
    if (is_new) plans.push_back(prefill_plan(served, laboratory_));
    const std::vector<Evaluation> evaluations = laboratory_.evaluator->evaluate(plans);
    if (is_new) prefills_[prefill_key(served)] = evaluations[1].prediction.step_seconds;
    ServedRow row{predicted(evaluations[0], flops_and_bytes(plans[0])), served};
    row.prefill_s = prefills_.at(prefill_key(served));
    return row;
  }

  TrainedRow row_of(const TrainedConfiguration& trained) {
    const std::vector<Plan> plan = {training_plan(trained, laboratory_)};
    const Evaluation evaluation = laboratory_.evaluator->evaluate(plan)[0];
    const auto& peaks = evaluation.prediction.peak_bytes;
    const auto device = peaks.find("device");
    return {predicted(evaluation, training_flops_and_bytes(plan[0])), trained,
            device == peaks.end() ? 0 : device->second};
  }

  ExchangedRow row_of(const ExchangedConfiguration& exchanged) {
    const Plan plan = exchanged_plan(exchanged, laboratory_);
    return {exchanged, dispatch_seconds(laboratory_.simulate(plan)), exchange_bytes_over_rate(plan, exchanged)};
  }

  /// Those that no plan says are counted with their reasons.
  template <typename Row, typename Run>
  void add(const std::vector<Run>& runs, std::vector<Row>& rows, std::vector<LeftOut>& left_out) {
    for (size_t i = 0; i < runs.size(); ++i) {
      laboratory_.progress(static_cast<int>(i), static_cast<int>(runs.size()), runs[i].model);
      try {
        rows.push_back(row_of(runs[i]));
      } catch (const InputError& refusal) {
        leave_out(runs[i], refusal.what(), left_out);
      }
    }
  }

 private:
  using PrefillKey = std::tuple<std::string, std::string, std::optional<std::string>, int64_t, std::array<int, 4>>;
  static PrefillKey prefill_key(const ServedConfiguration& served) {
    return {served.model,
            served.device,
            served.weights,
            served.input,
            {served.tp, served.dp, served.expert_tp, served.expert_ep}};
  }

  const Laboratory& laboratory_;
  std::map<PrefillKey, Seconds> prefills_;
};

/// Numbers of a run are above 0, but those that count from there.
struct PositiveNumbers {
  const std::string& file;
  std::string pointer;

  void operator()(const char*, const std::string&) const {}
  template <typename T>
  void operator()(const char* name, const std::optional<T>& value) const {
    if (value) (*this)(name, *value);
  }
  template <typename T>
  requires std::is_arithmetic_v<T>
  void operator()(const char* name, T value) const {
    const bool from_0 = std::string(name) == "zero" || std::string(name) == "dense_layers";
    if (from_0 ? value < 0 : !(value > 0))
      throw InputError(file, pointer + "/" + name, "is " + number("%g", static_cast<double>(value)),
                       from_0 ? "a number of at least 0" : "a number above 0");
  }
};

template <typename Run>
void check_numbers(const std::vector<Run>& runs, const std::string& list, const std::string& file) {
  for (size_t i = 0; i < runs.size(); ++i)
    Run::members(runs[i], PositiveNumbers{file, "/" + list + "/" + std::to_string(i)});
}

void summarise(PredictionResult& result) {
  if (!result.rows.empty()) result.summary = served_errors(result.rows);
  if (!result.trained.empty()) result.trained_summary = trained_errors(result.trained);
  if (!result.exchanged.empty()) result.exchanged_summary = exchanged_errors(result.exchanged);
}

}  // namespace

PredictionAxes read_prediction_axes(const Json& json, const std::string& file) {
  ObjectReader reader = open_experiment(json, file);
  PredictionAxes axes;
  axes.name = reader["name"].text();
  take(reader["served"], axes.served);
  take(reader["trained"], axes.trained);
  take(reader["exchanged"], axes.exchanged);
  reader.finish();
  check_numbers(axes.served, "served", file);
  check_numbers(axes.trained, "trained", file);
  check_numbers(axes.exchanged, "exchanged", file);
  return axes;
}

PredictionResult run_prediction_study(const PredictionAxes& axes, const Laboratory& laboratory) {
  PredictionResult result;
  result.experiment = axes.name;
  PredictedRows rows(laboratory);
  for (const ExchangedConfiguration& exchanged : axes.exchanged) result.exchanged.push_back(rows.row_of(exchanged));
  rows.add(axes.trained, result.trained, result.left_out);
  rows.add(axes.served, result.rows, result.left_out);
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
