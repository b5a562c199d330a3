// Reading the experiment's axes.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/schema/object_reader.h"
#include "experiments/02_semoe_training_table/study.h"

namespace moesaic::experiments {
namespace {

constexpr const char* kProvenances[] = {"secondary", "recalled"};

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

PaperCell read_paper_cell(ObjectReader reader) {
  PaperCell cell;
  cell.tokens_per_second = reader["tokens_per_second"].number(kPositive);
  cell.memory_bytes = reader["memory_bytes"].bytes({1, int64_t{1} << 50});
  cell.provenance = kProvenances[reader["provenance"].choice(kProvenances)];
  reader.finish();
  return cell;
}

TableRow read_row(ObjectReader reader) {
  TableRow row;
  row.model = reader["model"].text();
  row.cluster = reader["cluster"].text();
  row.workload = reader["workload"].text();
  ObjectReader paper = reader["paper"].object();
  row.baseline = read_paper_cell(paper["baseline"].object());
  row.system = read_paper_cell(paper["system"].object());
  paper.finish();
  reader.finish();
  return row;
}

}  // namespace

TableStudy read_table_study(const Json& json, const std::string& file) {
  ObjectReader reader = open_document(json, file, "", "experiment");
  TableStudy study;
  study.name = reader["name"].text();
  study.question = reader["question"].text();
  study.routing = reader["routing"].text();
  study.baseline = reader["baseline"].text();
  study.system = reader["system"].text();
  study.axes = read_axes(reader["fit"].object());
  const Field rows = reader["rows"], fitted = reader["fitted_row"];
  study.rows = rows.objects(read_row);
  study.fitted_row = fitted.text();
  if (std::none_of(study.rows.begin(), study.rows.end(),
                   [&](const TableRow& row) { return row.model == study.fitted_row; }))
    fitted.refuse("is the model of no row", "the model of one of the rows");
  reader.finish();
  return study;
}

}  // namespace moesaic::experiments
