#include "cli/report/training_curves.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>

#include "core/schema/object_reader.h"

namespace moesaic {
namespace {

constexpr double kLargest = std::numeric_limits<double>::max();
constexpr NumberRange kAny{-kLargest, kLargest};
constexpr IntegerRange kStep{0, int64_t{1} << 40};

double read_value(const Field& field) {
  return field.json().is_null() ? std::numeric_limits<double>::quiet_NaN() : field.number(kAny);
}

std::vector<double> read_curve(const Field& field) {
  return field.present() ? field.each(read_value) : std::vector<double>();
}

Json thinned(const std::vector<double>& values, size_t per_point) {
  Json points = Json::array();
  for (size_t begin = 0; begin < values.size(); begin += per_point) {
    double sum = 0;
    int counted = 0;
    for (size_t i = begin; i < std::min(begin + per_point, values.size()); ++i) {
      if (!std::isfinite(values[i])) continue;
      sum += values[i];
      ++counted;
    }
    points.push_back(counted > 0 ? Json(sum / counted) : Json());
  }
  return points;
}

}  // namespace

TrainingCurves read_training_curves(const Json& result, const std::string& file) {
  ObjectReader reader(result, file, "");
  TrainingCurves curves;
  curves.loss = read_curve(reader["loss"]);
  if (const Field sample = reader["sample"]; sample.present()) {
    curves.steps = sample.object()["steps"].integers(kStep);
    if (curves.steps.size() != curves.loss.size()) sample.refuse("has not one step for each loss");
  } else {
    curves.steps.resize(curves.loss.size());
    std::iota(curves.steps.begin(), curves.steps.end(), reader["first_step"].integer(kStep, 0) + 1);
  }
  curves.learning_rate = read_curve(reader["learning_rate"]);
  curves.gradient_norm = read_curve(reader["gradient_norm"]);
  const Field validation = reader["validation"];
  for (size_t i = 0; validation.present() && i < validation.size(); ++i) {
    ObjectReader entry = validation[i].object();
    curves.validation.push_back({entry["step"].integer(kStep), read_value(entry["loss"])});
  }
  return curves;
}

Json training_data(const TrainingCurves& curves, size_t most) {
  const size_t per_point = std::max<size_t>(1, (curves.loss.size() + most - 1) / most);
  Json validation = Json::array();
  for (const TrainingCurves::Validation& at : curves.validation)
    validation.push_back(Json::array({at.steps_done, at.loss}));
  const std::vector<double> numbers(curves.steps.begin(), curves.steps.end());
  const bool sampled = !numbers.empty() && numbers.back() - numbers.front() >= static_cast<double>(numbers.size());
  return {{"steps", thinned(numbers, per_point)},
          {"steps_per_point", per_point},
          {"sampled", sampled},
          {"loss", thinned(curves.loss, per_point)},
          {"learning_rate", thinned(curves.learning_rate, per_point)},
          {"gradient_norm", thinned(curves.gradient_norm, per_point)},
          {"validation", std::move(validation)}};
}

}  // namespace moesaic
