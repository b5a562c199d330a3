// The profile document: curves of operators and collectives with their provenance.

#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/schema/documents.h"
#include "core/schema/object_reader.h"

namespace moesaic {
namespace {

constexpr const char* kProvenances[] = {"measured", "published", "assumed"};
constexpr const char* kCollectives[] = {"all_to_all", "all_reduce", "all_gather", "reduce_scatter"};
constexpr NumberRange kEfficiency{0, 1, true}, kShare{0, 1};

/// The abscissae of a curve: ascending, at least one.
std::vector<int64_t> read_ascending(const Field& list, bool bytes) {
  std::vector<int64_t> values(list.size());
  if (values.empty()) list.refuse("is an empty list", "at least one point");
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = bytes ? list[i].bytes(kBytesRange) : list[i].integer(kBytesRange);
    if (i > 0 && values[i] <= values[i - 1]) list[i].refuse("is not above the point before it", "an ascending list");
  }
  return values;
}

std::vector<Seconds> read_seconds(const Field& list, size_t points) {
  std::vector<Seconds> values(list.size());
  if (values.size() != points) {
    list.refuse("has " + std::to_string(values.size()) + " entries", std::to_string(points) + ", one per point");
  }
  for (size_t i = 0; i < points; ++i) values[i] = list[i].quantity("s", kNotNegative);
  return values;
}

OperatorCurve read_operator(ObjectReader reader) {
  OperatorCurve curve;
  curve.op = reader["op"].text();
  curve.dtype = static_cast<DType>(reader["dtype"].choice(dtype_names()));
  if (const Field fixed = reader["fixed"]; fixed.present()) {
    ObjectReader dimensions = fixed.object();
    for (const auto& [name, value] : fixed.json().items()) curve.fixed[name] = dimensions[name].integer(kBytesRange);
  }
  curve.rows = read_ascending(reader["rows"], false);
  curve.seconds = read_seconds(reader["seconds"], curve.rows.size());
  curve.provenance = static_cast<Provenance>(reader["provenance"].choice(kProvenances));
  reader.finish();
  return curve;
}

CollectiveCurve read_collective(ObjectReader reader) {
  CollectiveCurve curve;
  curve.collective = kCollectives[reader["collective"].choice(kCollectives)];
  curve.num_ranks = static_cast<int>(reader["num_ranks"].integer(kCount));
  curve.crosses_nodes = reader["crosses_nodes"].boolean(false);
  curve.bytes = read_ascending(reader["bytes"], true);
  curve.seconds = read_seconds(reader["seconds"], curve.bytes.size());
  curve.provenance = static_cast<Provenance>(reader["provenance"].choice(kProvenances));
  reader.finish();
  return curve;
}

/// A file's name alone is one beside the profile.
TablesReference read_tables_reference(ObjectReader reader, const std::string& file) {
  TablesReference tables{reader["file"].text(), reader["hash"].text()};
  reader.finish();
  if (tables.file.find('/') == std::string::npos)
    tables.file = portable_file((std::filesystem::path(file).parent_path() / tables.file).string());
  return tables;
}

MeasuringRecord read_measuring(ObjectReader reader) {
  const auto text = [](const Field& point) { return point.text(); };
  MeasuringRecord record;
  record.budget_s = reader["budget_s"].quantity("s", kNotNegative);
  record.spent_s = reader["spent_s"].quantity("s", kNotNegative);
  record.points = reader["points"].integer(kBytesRange);
  record.left_out = reader["left_out"].each(text);
  record.repetitions = reader["repetitions"].integer(kBytesRange);
  record.disturbed_repetitions = reader["disturbed_repetitions"].integer(kBytesRange);
  record.kept_disturbed = reader["kept_disturbed"].each(text);
  record.lost_share = reader["lost_share"].number(kShare);
  record.steal_share = reader["steal_share"].number(kShare);
  record.ranks_share_cores = reader["ranks_share_cores"].boolean(false);
  reader.finish();
  return record;
}

Json write_measuring(const MeasuringRecord& record) {
  return {{"budget_s", record.budget_s},
          {"spent_s", record.spent_s},
          {"points", record.points},
          {"left_out", record.left_out},
          {"repetitions", record.repetitions},
          {"disturbed_repetitions", record.disturbed_repetitions},
          {"kept_disturbed", record.kept_disturbed},
          {"lost_share", record.lost_share},
          {"steal_share", record.steal_share},
          {"ranks_share_cores", record.ranks_share_cores}};
}

Json write_operator(const OperatorCurve& curve) {
  Json fixed = Json::object();
  for (const auto& [name, value] : curve.fixed) fixed[name] = value;
  return {{"op", curve.op},           {"dtype", name_of(curve.dtype)},
          {"fixed", fixed},           {"rows", curve.rows},
          {"seconds", curve.seconds}, {"provenance", kProvenances[static_cast<size_t>(curve.provenance)]}};
}

Json write_collective(const CollectiveCurve& curve) {
  return {{"collective", curve.collective},
          {"num_ranks", curve.num_ranks},
          {"crosses_nodes", curve.crosses_nodes},
          {"bytes", curve.bytes},
          {"seconds", curve.seconds},
          {"provenance", kProvenances[static_cast<size_t>(curve.provenance)]}};
}

}  // namespace

Profile read_profile(const Json& json, const std::string& file, const std::string& pointer) {
  ObjectReader reader = open_document(json, file, pointer, "profile");
  Profile profile;
  profile.name = reader["name"].text("");
  profile.device = reader["device"].text("");
  profile.machine = reader["machine"].text("");
  profile.command = reader["command"].text("");
  profile.date = reader["date"].text("");
  profile.commit = reader["commit"].text("");
  if (const Field curves = reader["operators"]; curves.present()) profile.operators = curves.objects(read_operator);
  if (const Field curves = reader["collectives"]; curves.present())
    profile.collectives = curves.objects(read_collective);
  if (const Field tables = reader["kernel_tables"]; tables.present())
    profile.tables = read_tables_reference(tables.object(), file);
  profile.task_overhead_s = reader["task_overhead_s"].quantity("s", kNotNegative, profile.task_overhead_s);
  profile.launch_interval_s = reader["launch_interval_s"].quantity("s", kNotNegative, profile.launch_interval_s);
  profile.collective_slowdown = reader["collective_slowdown"].number(kPositive, profile.collective_slowdown);
  profile.fused_optimizer = reader["fused_optimizer"].boolean(profile.fused_optimizer);
  profile.neighbour_slowdown = reader["neighbour_slowdown"].number(kPositive, profile.neighbour_slowdown);
  profile.assumed_flops_efficiency =
      reader["assumed_flops_efficiency"].number(kEfficiency, profile.assumed_flops_efficiency);
  profile.assumed_bandwidth_efficiency =
      reader["assumed_bandwidth_efficiency"].number(kEfficiency, profile.assumed_bandwidth_efficiency);
  if (const Field measuring = reader["measuring"]; measuring.present())
    profile.measuring = read_measuring(measuring.object());
  reader.finish();
  return profile;
}

Json write_profile(const Profile& profile) {
  Json operators = Json::array(), collectives = Json::array();
  for (const OperatorCurve& curve : profile.operators) operators.push_back(write_operator(curve));
  for (const CollectiveCurve& curve : profile.collectives) collectives.push_back(write_collective(curve));
  Json json = {{"kind", "moesaic.profile/1"},
               {"name", profile.name},
               {"device", profile.device},
               {"machine", profile.machine},
               {"command", profile.command},
               {"date", profile.date},
               {"commit", profile.commit},
               {"operators", operators},
               {"collectives", collectives},
               {"task_overhead_s", profile.task_overhead_s},
               {"neighbour_slowdown", profile.neighbour_slowdown},
               {"assumed_flops_efficiency", profile.assumed_flops_efficiency},
               {"assumed_bandwidth_efficiency", profile.assumed_bandwidth_efficiency}};
  const Profile assumed;
  if (profile.launch_interval_s != assumed.launch_interval_s) json["launch_interval_s"] = profile.launch_interval_s;
  if (profile.collective_slowdown != assumed.collective_slowdown)
    json["collective_slowdown"] = profile.collective_slowdown;
  if (!profile.fused_optimizer) json["fused_optimizer"] = false;
  if (!profile.tables.file.empty())
    json["kernel_tables"] = {{"file", profile.tables.file}, {"hash", profile.tables.hash}};
  if (profile.measuring) json["measuring"] = write_measuring(*profile.measuring);
  return json;
}

}  // namespace moesaic
