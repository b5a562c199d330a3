// The document of kernel tables, and where the tables of a profile are found.

#include <algorithm>
#include <filesystem>
#include <functional>
#include <mutex>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/schema/documents.h"
#include "core/schema/error.h"
#include "core/schema/hash.h"
#include "core/schema/kernel_tables.h"
#include "core/schema/object_reader.h"

namespace moesaic {
namespace {

namespace fs = std::filesystem;

constexpr const char* kKind = "kernel_tables";
constexpr const char* kExpected = "a file of kernel tables";
constexpr IntegerRange kSize{1, int64_t{1} << 40};

/// A long array of numbers: a Field per number would cost more than the parsing.
std::vector<double> read_numbers(const Field& list, size_t count) {
  const Json& json = list.json();
  if (!json.is_array() || json.size() != count)
    list.refuse("is no list of " + std::to_string(count) + " numbers", "one number per point of the axes");
  std::vector<double> numbers;
  numbers.reserve(count);
  for (const Json& number : json) {
    if (!number.is_number() || !(number.get<double>() >= 0)) list.refuse("holds what is no number from 0 on");
    numbers.push_back(number.get<double>());
  }
  return numbers;
}

DType read_dtype(const Field& field) { return static_cast<DType>(field.choice(dtype_names())); }

TableAxis read_axis(ObjectReader reader) {
  TableAxis axis{reader["name"].text(), reader["values"].integers(kSize)};
  if (axis.values.empty() || !std::is_sorted(axis.values.begin(), axis.values.end(), std::less_equal<>()))
    reader["values"].refuse("is empty or does not ascend", "an ascending list");
  reader.finish();
  return axis;
}

TileShape read_tile(ObjectReader reader) {
  const TileShape tile{reader["rows"].integer(kSize), reader["columns"].integer(kSize)};
  reader.finish();
  return tile;
}

KernelTable read_kernel(ObjectReader reader) {
  KernelTable table;
  table.op = reader["op"].text();
  table.activations = read_dtype(reader["activations"]);
  table.weights = read_dtype(reader["weights"]);
  table.source = reader["source"].text();
  const Field fixed = reader["fixed"];
  ObjectReader dimensions = fixed.object();
  for (const auto& [name, value] : fixed.json().items()) table.fixed[name] = dimensions[name].integer(kBytesRange);
  if (const Field tile = reader["tile"]; tile.present()) table.tile = read_tile(tile.object());
  table.axes = reader["axes"].objects(read_axis);
  size_t points = 1;
  for (const TableAxis& axis : table.axes) points *= axis.values.size();
  table.microseconds = read_numbers(reader["microseconds"], points);
  reader.finish();
  return table;
}

ExpertCurve read_expert_curve(ObjectReader reader) {
  ExpertCurve curve;
  curve.routing = reader["routing"].text();
  const size_t points = reader["rows"].size();
  curve.rows = read_numbers(reader["rows"], points);
  curve.skew = read_numbers(reader["skew"], points);
  curve.modelled_microseconds = read_numbers(reader["modelled_microseconds"], points);
  curve.microseconds = read_numbers(reader["microseconds"], points);
  reader.finish();
  return curve;
}

ExpertTable read_expert_table(ObjectReader reader) {
  ExpertTable table;
  table.activations = read_dtype(reader["activations"]);
  table.weights = read_dtype(reader["weights"]);
  table.gated = reader["gated"].boolean();
  table.hidden = reader["hidden"].integer(kSize);
  table.intermediate = reader["intermediate"].integer(kSize);
  table.slots = reader["slots"].integer(kSize);
  table.source = reader["source"].text();
  table.curves = reader["curves"].objects(read_expert_curve);
  reader.finish();
  return table;
}

/// Whole numbers without their ".0": a tenth of the file.
Json numbers(const std::vector<double>& values) {
  Json list = Json::array();
  for (const double value : values) {
    const auto whole = static_cast<int64_t>(value);
    list.push_back(static_cast<double>(whole) == value ? Json(whole) : Json(value));
  }
  return list;
}

Json write_kernel(const KernelTable& table) {
  Json axes = Json::array(), fixed = Json::object();
  for (const TableAxis& axis : table.axes) axes.push_back({{"name", axis.name}, {"values", axis.values}});
  for (const auto& [name, value] : table.fixed) fixed[name] = value;
  Json json = {{"op", table.op},
               {"activations", name_of(table.activations)},
               {"weights", name_of(table.weights)},
               {"source", table.source},
               {"fixed", fixed}};
  if (table.tile.rows > 0) json["tile"] = {{"rows", table.tile.rows}, {"columns", table.tile.columns}};
  json["axes"] = axes;
  json["microseconds"] = numbers(table.microseconds);
  return json;
}

Json write_experts(const ExpertTable& table) {
  Json curves = Json::array();
  for (const ExpertCurve& curve : table.curves)
    curves.push_back({{"routing", curve.routing},
                      {"rows", numbers(curve.rows)},
                      {"skew", numbers(curve.skew)},
                      {"modelled_microseconds", numbers(curve.modelled_microseconds)},
                      {"microseconds", numbers(curve.microseconds)}});
  return {{"activations", name_of(table.activations)},
          {"weights", name_of(table.weights)},
          {"gated", table.gated},
          {"hidden", table.hidden},
          {"intermediate", table.intermediate},
          {"slots", table.slots},
          {"source", table.source},
          {"curves", curves}};
}

/// One table a line.
template <typename Tables, typename Write>
std::string written(const Tables& tables, Write write) {
  std::string text;
  for (const auto& table : tables) text += (text.empty() ? "\n" : ",\n") + write(table).dump();
  return text;
}

struct Loaded {
  std::string file, hash;
  std::shared_ptr<const KernelTables> tables;
};
std::mutex loading;
std::vector<Loaded> loaded;
std::vector<std::string> table_roots;

std::string found_file(const std::string& file) {
  std::error_code ignored;
  if (fs::exists(file, ignored)) return file;
  const fs::path path(file);
  for (const std::string& root : table_roots) {
    const fs::path candidate = fs::path(root) / "devices" / path.parent_path().filename() / path.filename();
    if (fs::exists(candidate, ignored)) return candidate;
  }
  throw InputError(file, "", "no such file", "the kernel tables that a profile names", "give --profile");
}

}  // namespace

KernelTables read_kernel_tables(const Json& json, const std::string& file) {
  ObjectReader reader = open_document(json, file, "", kKind);
  KernelTables tables;
  tables.name = reader["name"].text();
  tables.device = reader["device"].text();
  tables.memory_bandwidth_bytes_per_s = reader["memory_bandwidth_bytes_per_s"].quantity("B/s", kPositive);
  tables.peak_f32_flops_per_s = reader["peak_f32_flops_per_s"].quantity("FLOP/s", kPositive);
  tables.peak_bf16_flops_per_s = reader["peak_bf16_flops_per_s"].quantity("FLOP/s", kPositive);
  tables.peak_fp8_flops_per_s = reader["peak_fp8_flops_per_s"].quantity("FLOP/s", kNotNegative, 0);
  tables.peak_fp4_flops_per_s = reader["peak_fp4_flops_per_s"].quantity("FLOP/s", kNotNegative, 0);
  tables.multiprocessors = reader["multiprocessors"].integer(kCount, 0);
  tables.package = reader["package"].text();
  tables.licence = reader["licence"].text();
  tables.kernels = reader["kernels"].objects(read_kernel);
  tables.experts = reader["experts"].objects(read_expert_table);
  reader.finish();
  return tables;
}

std::string write_kernel_tables(const KernelTables& tables) {
  Json head = {{"kind", "moesaic.kernel_tables/1"},
               {"name", tables.name},
               {"device", tables.device},
               {"memory_bandwidth_bytes_per_s", tables.memory_bandwidth_bytes_per_s},
               {"peak_f32_flops_per_s", tables.peak_f32_flops_per_s},
               {"peak_bf16_flops_per_s", tables.peak_bf16_flops_per_s},
               {"peak_fp8_flops_per_s", tables.peak_fp8_flops_per_s},
               {"peak_fp4_flops_per_s", tables.peak_fp4_flops_per_s},
               {"package", tables.package},
               {"licence", tables.licence}};
  if (tables.multiprocessors > 0) head["multiprocessors"] = tables.multiprocessors;
  std::string text = head.dump(1);
  text.resize(text.rfind('\n'));  // its last brace comes behind the tables
  return text + ",\n \"kernels\": [" + written(tables.kernels, write_kernel) + "],\n \"experts\": [" +
         written(tables.experts, write_experts) + "]\n}\n";
}

std::string portable_file(const std::string& file) {
  const std::lock_guard lock(loading);
  const fs::path path(file), named = fs::path("devices") / path.parent_path().filename() / path.filename();
  std::error_code ignored;
  for (const std::string& root : table_roots)
    if (fs::equivalent(fs::path(root) / named, path, ignored)) return named;
  return file;
}

std::string hash_of_file(const std::string& file) { return hash_digits(fnv1a64(read_text(file, kExpected))); }

void set_table_roots(std::vector<std::string> roots) {
  const std::lock_guard lock(loading);
  table_roots = std::move(roots);
}

std::shared_ptr<const KernelTables> kernel_tables(const TablesReference& reference) {
  const std::lock_guard lock(loading);
  const std::string file = found_file(reference.file);
  auto known = std::find_if(loaded.begin(), loaded.end(), [&](const Loaded& entry) { return entry.file == file; });
  if (known == loaded.end()) {
    const std::string text = read_text(file, kExpected);
    loaded.push_back({file, hash_digits(fnv1a64(text)),
                      std::make_shared<KernelTables>(read_kernel_tables(parse_json(text, file), file))});
    known = loaded.end() - 1;
  }
  if (known->hash != reference.hash)
    throw InputError(file, "", "are other kernel tables (" + known->hash + ") than those of the profile",
                     reference.hash, "give --profile with the tables that are here, and plan again");
  return known->tables;
}

}  // namespace moesaic
