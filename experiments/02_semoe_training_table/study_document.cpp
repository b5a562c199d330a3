// Reading the experiment's axes.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/schema/object_reader.h"
#include "experiments/02_semoe_training_table/study.h"

namespace moesaic::experiments {
namespace {

/// The list itself, which names values to try.
Field not_empty(Field field) {
  if (field.size() == 0) field.refuse("is empty", "a value to try");
  return field;
}

FitAxes read_axes(ObjectReader reader) {
  FitAxes axes;
  axes.sequence_lengths = not_empty(reader["sequence_lengths"]).integers({1, 1 << 20});
  axes.top_ks = not_empty(reader["top_k"]).integers({1, 64});
  axes.capacity_factors = not_empty(reader["capacity_factors"]).numbers({0, 64, true});
  axes.card_rates = not_empty(reader["card_bytes_per_s"]).numbers({0, 1e15, true});
  axes.keeps_scores = not_empty(reader["keeps_scores"]).integers({0, 1});
  reader.finish();
  return axes;
}

DocumentNames read_row_names(ObjectReader reader) {
  DocumentNames row;
  row.model = reader["model"].text();
  row.cluster = reader["cluster"].text();
  row.workload = reader["workload"].text();
  reader.finish();
  return row;
}

StatesAxes read_states(ObjectReader reader) {
  static const char* const kPasses[] = {name_of(OptimizerPasses::fused), name_of(OptimizerPasses::separate)};
  StatesAxes states;
  states.zero = static_cast<int>(reader["zero"].integer({0, 3}));
  states.optimizer_passes = static_cast<OptimizerPasses>(reader["optimizer_passes"].choice(kPasses));
  reader.finish();
  return states;
}

CheckAxes read_check(ObjectReader reader) {
  CheckAxes check;
  check.documents.model = reader["model"].text();
  check.documents.cluster = reader["cluster"].text();
  check.documents.workload = reader["workload"].text();
  check.samples_per_second = reader["samples_per_second"].number(kPositive);
  check.provenance = reader["provenance"].text();
  reader.finish();
  return check;
}

}  // namespace

TableAxes read_table_axes(const Json& json, const std::string& file) {
  ObjectReader reader = open_experiment(json, file);
  TableAxes axes;
  axes.name = reader["name"].text();
  axes.routing = reader["routing"].text();
  axes.baseline = reader["baseline"].text();
  axes.system = reader["system"].text();
  axes.fit = read_axes(reader["fit"].object());
  const Field rows = reader["rows"], fitted = reader["fitted_row"];
  axes.rows = rows.objects(read_row_names);
  axes.fitted_row = fitted.text();
  axes.states = reader["states"].objects(read_states);
  axes.checks = reader["checks"].objects(read_check);
  if (std::none_of(axes.rows.begin(), axes.rows.end(),
                   [&](const DocumentNames& row) { return row.model == axes.fitted_row; }))
    fitted.refuse("is the model of no row", "the model of one of the rows");
  reader.finish();
  return axes;
}

}  // namespace moesaic::experiments
