#pragma once
// The result document of this question.

#include "experiments/12_do_gpu_predictions_hold/exchanged.h"
#include "experiments/12_do_gpu_predictions_hold/served.h"
#include "experiments/12_do_gpu_predictions_hold/trained.h"

namespace moesaic::experiments {

/// Of a step.
struct StepPrediction {
  Seconds predicted_s = 0, null_s = 0;
  std::string bound_by;    // the class of tasks that is most of the predicted step
  double bound_share = 0;  // its share
  bool fits = true;        // into the devices' memory

  static void step_members(auto& self, auto visit) {
    visit("predicted_s", self.predicted_s);
    visit("null_s", self.null_s);
    visit("bound_by", self.bound_by);
    visit("bound_share", self.bound_share);
    visit("fits", self.fits);
  }
};

/// Predicted is the decode step.
struct ServedRow : StepPrediction {
  ServedConfiguration served;
  Seconds prefill_s = 0;  // of a step

  double error() const { return predicted_s / served.token_s - 1; }
  /// Of the decode step and what prefills of other requests add to it on average where the engine does one after the
  /// other: an engine that mixes them in one step reads weights once for both, and stays below.
  double error_with_prefills() const {
    return (predicted_s + prefills_per_token(served) * prefill_s) / served.token_s - 1;
  }
  double null_error() const { return null_s / served.token_s - 1; }
  static void members(auto& self, auto visit) {
    visit("served", self.served);
    visit("prefill_s", self.prefill_s);
    step_members(self, visit);
  }
};

struct TrainedRow : StepPrediction {
  TrainedConfiguration trained;
  Bytes predicted_peak_bytes = 0;  // of one device

  double error() const { return predicted_s / trained.step_s - 1; }
  /// Of the peak; none where it was not measured.
  std::optional<double> memory_error() const {
    if (!trained.peak_bytes) return {};
    return static_cast<double>(predicted_peak_bytes) / static_cast<double>(*trained.peak_bytes) - 1;
  }
  double null_error() const { return null_s / trained.step_s - 1; }
  static void members(auto& self, auto visit) {
    visit("trained", self.trained);
    step_members(self, visit);
    visit("predicted_peak_bytes", self.predicted_peak_bytes);
  }
};

struct ExchangedRow {
  ExchangedConfiguration exchanged;
  Seconds predicted_s = 0, null_s = 0;
  double error() const { return predicted_s / exchanged.seconds - 1; }
  double null_error() const { return null_s / exchanged.seconds - 1; }
  static void members(auto& self, auto visit) {
    ExchangedConfiguration::members(self.exchanged, visit);
    visit("predicted_s", self.predicted_s);
    visit("null_s", self.null_s);
  }
};

struct LeftOut {
  std::string model, device, why;
  int64_t rows = 0;
  static void members(auto& self, auto visit) {
    visit("model", self.model);
    visit("device", self.device);
    visit("why", self.why);
    visit("rows", self.rows);
  }
};

/// Of |predicted / measured - 1|. `pairs`: of rows that serve the same model to the same requests and differ in more
/// than 2 % of the measured time; how many of them the prediction, and the null model, put in the measured order.
struct ServedErrors {
  std::string of, bound_by;         // `bound_by`: what most of its rows are bound by
  int64_t rows = 0, too_large = 0;  // the latter do not fit by our memory model, and count all the same
  double median = 0, mean = 0, p90 = 0, median_of_signed = 0, null_median = 0, null_p90 = 0;
  double with_prefills_median = 0, with_prefills_median_of_signed = 0;
  int64_t pairs = 0, in_order = 0, null_in_order = 0;
  static void members(auto& self, auto visit) {
    visit("of", self.of);
    visit("bound_by", self.bound_by);
    visit("rows", self.rows);
    visit("too_large", self.too_large);
    visit("median", self.median);
    visit("mean", self.mean);
    visit("p90", self.p90);
    visit("median_of_signed", self.median_of_signed);
    visit("null_median", self.null_median);
    visit("null_p90", self.null_p90);
    visit("with_prefills_median", self.with_prefills_median);
    visit("with_prefills_median_of_signed", self.with_prefills_median_of_signed);
    visit("pairs", self.pairs);
    visit("in_order", self.in_order);
    visit("null_in_order", self.null_in_order);
  }
};

/// Of |predicted / measured - 1|.
struct TrainedErrors {
  int64_t rows = 0;
  double median = 0, worst = 0, null_median = 0, median_of_signed = 0;
  double memory_median = 0;  // of the rows whose memory was measured
  static void members(auto& self, auto visit) {
    visit("rows", self.rows);
    visit("median", self.median);
    visit("worst", self.worst);
    visit("null_median", self.null_median);
    visit("median_of_signed", self.median_of_signed);
    visit("memory_median", self.memory_median);
  }
};

/// Of |predicted / measured - 1|.
struct ExchangedErrors {
  int64_t rows = 0;
  double median = 0, worst = 0, median_of_signed = 0, null_median = 0, null_worst = 0;
  static void members(auto& self, auto visit) {
    visit("rows", self.rows);
    visit("median", self.median);
    visit("worst", self.worst);
    visit("median_of_signed", self.median_of_signed);
    visit("null_median", self.null_median);
    visit("null_worst", self.null_worst);
  }
};

struct PredictionResult {
  static constexpr const char* kKind = "result";
  std::string experiment;
  std::vector<ServedErrors> summary;
  TrainedErrors trained_summary;
  ExchangedErrors exchanged_summary;
  std::vector<LeftOut> left_out;
  std::vector<ServedRow> rows;
  std::vector<TrainedRow> trained;
  std::vector<ExchangedRow> exchanged;
  static void members(auto& self, auto visit) {
    visit("experiment", self.experiment);
    visit("summary", self.summary);
    visit("trained_summary", self.trained_summary);
    visit("exchanged_summary", self.exchanged_summary);
    visit("left_out", self.left_out);
    visit("rows", self.rows);
    visit("trained", self.trained);
    visit("exchanged", self.exchanged);
  }
};

/// All rows, then those of each device and weights, of each model and of each engine.
std::vector<ServedErrors> served_errors(const std::vector<ServedRow>& rows);
TrainedErrors trained_errors(const std::vector<TrainedRow>& rows);
ExchangedErrors exchanged_errors(const std::vector<ExchangedRow>& rows);

}  // namespace moesaic::experiments
