// Collectives inside a node: NCCL's, and of all-reduces the engine's own where it is faster.

#include <algorithm>
#include <map>
#include <tuple>

#include "core/format/csv.h"
#include "core/format/kernel_package.h"
#include "core/format/nccl_tests.h"
#include "core/format/point_set.h"

namespace moesaic {
namespace {

struct Key {
  std::string collective;
  int64_t num_ranks = 0;
  auto operator<=>(const Key&) const = default;
};
using Curves = std::map<Key, std::map<Bytes, double>>;  // milliseconds

/// The package counts elements of 2 bytes, otherwise as nccl-tests counts.
void add(Curves& curves, const Key& key, int64_t elements, double milliseconds) {
  constexpr int64_t kBytesPerElement = 2;
  const Bytes bytes = busiest_bytes(key.collective, key.num_ranks, elements * kBytesPerElement);
  const auto [known, is_new] = curves[key].try_emplace(bytes, milliseconds);
  if (!is_new) known->second = std::min(known->second, milliseconds);
}

void add_nccl(const CsvTable& csv, Curves& curves) {
  for (size_t line = 0; line < csv.size(); ++line) {
    if (csv.text(line, "nccl_dtype") != "half") continue;
    const std::string& name = csv.text(line, "op_name");
    add(curves, {name == "alltoall" ? "all_to_all" : name, csv.integer(line, "num_gpus")},
        csv.integer(line, "message_size"), csv.number(line, "latency"));
  }
}

void add_all_reduce(const CsvTable& csv, Curves& curves) {
  for (size_t line = 0; line < csv.size(); ++line)
    add(curves, {"all_reduce", csv.integer(line, "num_gpus")}, csv.integer(line, "message_size"),
        csv.number(line, "latency"));
}

}  // namespace

void read_collectives(const std::string& folder, ImportedTables& imported) {
  Curves curves;
  const PackageTable nccl = find_table(folder, "comm", "nccl_perf"),
                     custom = find_table(folder, "comm", "custom_allreduce_perf");
  if (nccl.file.empty()) imported.left_out.emplace_back("nccl_perf: no such table");
  if (!nccl.file.empty()) add_nccl(CsvTable(nccl.file), curves);
  if (!custom.file.empty()) add_all_reduce(CsvTable(custom.file), curves);
  for (const auto& [key, points] : curves) {
    CollectiveCurve curve;
    curve.collective = key.collective, curve.num_ranks = static_cast<int>(key.num_ranks);
    curve.provenance = Provenance::published;
    for (const auto& [bytes, milliseconds] : points) {
      constexpr double kMillisecond = 1e-3;
      curve.bytes.push_back(bytes);
      curve.seconds.push_back(rounded(milliseconds) * kMillisecond);
    }
    imported.collectives.push_back(std::move(curve));
  }
  for (const char* table : {"wideep_deepep_ll_perf", "wideep_deepep_normal_perf", "moe_a2a_perf"})
    if (!find_table(folder, "comm", table).file.empty())
      imported.left_out.push_back(std::string(table) + ": dispatch and combine of DeepEP");
}

}  // namespace moesaic
