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
  axes.kept_bytes_per_score = not_empty(reader["kept_bytes_per_score"]).integers({0, 64});
  axes.link_efficiencies = not_empty(reader["link_efficiencies"]).numbers({0, 1, true});
  axes.spine_oversubscriptions = not_empty(reader["spine_oversubscriptions"]).numbers({1, 64});
  axes.gemm_prior = reader["gemm_prior"].number({0, 1, true});
  axes.link_prior = reader["link_prior"].number({0, 1, true});
  axes.memory_tolerance = reader["memory_tolerance"].number({0, 1});
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
  if (std::none_of(axes.rows.begin(), axes.rows.end(),
                   [&](const DocumentNames& row) { return row.model == axes.fitted_row; }))
    fitted.refuse("is the model of no row", "the model of one of the rows");
  reader.finish();
  return axes;
}

}  // namespace moesaic::experiments
