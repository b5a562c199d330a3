#pragma once
// Published measurements of a GPU's kernels over grids of shapes: too many to stand in a profile, which names their
// file. How they are read between shapes is core/cost's.

#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "core/schema/units.h"

namespace moesaic {

/// The shapes along one side of a grid: a dimension of an operator by name, "rows", or "sequences" (rows / sequence).
struct TableAxis {
  std::string name;
  std::vector<int64_t> values;  // ascending, above 0
  bool operator==(const TableAxis&) const = default;
};

/// Of a product's result, what one multiprocessor makes at a time; 0 rows: such tiles are not seen in its times.
struct TileShape {
  int64_t rows = 0, columns = 0;
  bool operator==(const TileShape&) const = default;
};

/// One kernel on a full grid.
struct KernelTable {
  std::string op;  // name_of(Op)
  DType activations = DType::bf16;
  DType weights = DType::bf16;           // of attention: what the cache holds
  std::string source;                    // which table of the package, by which framework and kernel
  std::map<std::string, int64_t> fixed;  // dimensions that all points share
  TileShape tile = {};                   // of products, as core/cost chose it
  std::vector<TableAxis> axes;
  std::vector<double> microseconds;  // [axes...], the last axis fastest; 0: not measured
  bool operator==(const KernelTable&) const = default;
};

/// The routed experts of a layer on one GPU, from permuting to unpermuting, under one kind of routing. All [points].
struct ExpertCurve {
  std::string routing;                        // "balanced", "power_law_1.2"
  std::vector<double> rows;                   // of all slots together, ascending
  std::vector<double> skew;                   // slots * sum of squared rows / rows^2: 1 where balanced
  std::vector<double> modelled_microseconds;  // by core/cost, on the rows per slot that were measured
  std::vector<double> microseconds;
  bool operator==(const ExpertCurve&) const = default;
};

struct ExpertTable {
  DType activations = DType::bf16, weights = DType::bf16;
  bool gated = true;
  int64_t hidden = 0, intermediate = 0, slots = 0;  // of one GPU
  std::string source;
  std::vector<ExpertCurve> curves;
  bool operator==(const ExpertTable&) const = default;
};

struct KernelTables {
  std::string name, device;
  /// Of the device that was measured: its times are compared with these, whatever device they then price.
  BytesPerSecond memory_bandwidth_bytes_per_s = 0;
  FlopsPerSecond peak_f32_flops_per_s = 0, peak_bf16_flops_per_s = 0;
  FlopsPerSecond peak_fp8_flops_per_s = 0, peak_fp4_flops_per_s = 0;  // 0: it has no such products
  int64_t multiprocessors = 0;                                        // 0: not known
  std::string package, licence;                                       // whose measurements these are
  std::vector<KernelTable> kernels;
  std::vector<ExpertTable> experts;
  bool operator==(const KernelTables&) const = default;
};

/// Where a profile's tables lie. A plan carries this in place of the tables.
struct TablesReference {
  std::string file;  // "": the profile has none
  std::string hash;  // of the file's bytes: other tables would give other prices
  bool operator==(const TablesReference&) const = default;
};

/// Each file is read once per process. Where it is not there, devices/<folder>/<file> of the table roots counts, by the
/// last two parts of its path: a plan may have come from another machine. Throws InputError where neither is there, and
/// where the tables are not those of the hash.
std::shared_ptr<const KernelTables> kernel_tables(const TablesReference& reference);

/// "devices/<folder>/<file>" for a file that lies so under one of the table roots; any other as it is.
std::string portable_file(const std::string& file);

/// Folders with documents (profiles/), in order, for all later calls.
void set_table_roots(std::vector<std::string> roots);

KernelTables read_kernel_tables(const nlohmann::ordered_json& json, const std::string& file);

/// FNV-1a 64 of a file's bytes, as 16 hexadecimal digits. Throws InputError where it cannot be read.
std::string hash_of_file(const std::string& file);

/// The inverse of reading; one table a line.
std::string write_kernel_tables(const KernelTables& tables);

}  // namespace moesaic
