// Products, attention and latent attention of the package.

#include <map>
#include <optional>
#include <set>

#include "core/cost/tile_choice.h"
#include "core/format/csv.h"
#include "core/format/kernel_package.h"
#include "core/format/point_set.h"

namespace moesaic {
namespace {

/// What a line of an attention table has in common with others of its grid.
using Fixed = std::map<std::string, int64_t>;

struct GridKey {
  DType cache;
  Fixed fixed;
  auto operator<=>(const GridKey&) const = default;
};
using Grids = std::map<GridKey, PointSet>;

void put_grids(const Grids& grids, const char* op, const std::string& source, ImportedTables& imported) {
  for (const auto& [key, points] : grids) {
    KernelTable table;
    table.op = op, table.weights = key.cache, table.source = source, table.fixed = key.fixed;
    points.put_into(table);
    imported.tables.kernels.push_back(std::move(table));
  }
}

void add(Grids& grids, const GridKey& key, const std::vector<std::string>& axes, const std::vector<int64_t>& at,
         double milliseconds) {
  grids.try_emplace(key, PointSet(axes)).first->second.add(at, milliseconds);
}

std::optional<DType> cache_of(const CsvTable& csv, size_t line, const char* compute_column) {
  if (csv.text(line, compute_column) != "bfloat16") return {};
  return csv.text(line, "kv_cache_dtype") == "fp8" ? DType::fp8 : DType::bf16;
}

/// Prefill has a grid over sequences and their length, decode over sequences and the keys that they have.
void read_attention_table(const CsvTable& csv, bool prefill, Grids& grids) {
  for (size_t line = 0; line < csv.size(); ++line) {
    const auto cache = cache_of(csv, line, "attn_dtype");
    const int64_t window = csv.has("window_size") ? csv.integer(line, "window_size") : 0;
    // A window in decode is a shorter sequence; prefill does not read the cache.
    if (!cache || (prefill ? *cache != DType::bf16 : window != 0)) continue;
    GridKey key{*cache,
                {{"heads", csv.integer(line, "num_heads")},
                 {"kv_heads", csv.integer(line, "num_key_value_heads")},
                 {"head_dim", csv.integer(line, "head_dim")}}};
    const int64_t sequences = csv.integer(line, "batch_size");
    if (window > 0) key.fixed["window"] = window;
    if (prefill) key.fixed["causal_square"] = 1;
    if (prefill)
      add(grids, key, {"sequences", "sequence"}, {sequences, csv.integer(line, "isl")}, csv.number(line, "latency"));
    else
      add(grids, key, {"rows", "sequence"}, {sequences, csv.integer(line, "step") + 1}, csv.number(line, "latency"));
  }
}

/// DeepSeek-V3's widths, which all of these tables were measured at: keys of 128 without and 64 with a position, values
/// of 128, latent vectors of 512.
constexpr int64_t kNope = 128, kRope = 64, kValue = 128, kLatent = 512;

void read_latent_table(const CsvTable& csv, bool prefill, Grids& grids) {
  for (size_t line = 0; line < csv.size(); ++line) {
    const auto cache = cache_of(csv, line, "mla_dtype");
    if (!cache || (prefill && *cache != DType::bf16)) continue;
    GridKey key{*cache, {{"heads", csv.integer(line, "num_heads")}}};
    key.fixed["head_dim"] = prefill ? kNope + kRope : kLatent + kRope;
    key.fixed["value_dim"] = prefill ? kValue : kLatent;
    if (prefill) key.fixed["causal_square"] = 1;
    const int64_t sequences = csv.integer(line, "batch_size");
    if (prefill)
      add(grids, key, {"sequences", "sequence"}, {sequences, csv.integer(line, "isl")}, csv.number(line, "latency"));
    else
      add(grids, key, {"rows", "sequence"}, {sequences, csv.integer(line, "step") + 1}, csv.number(line, "latency"));
  }
}

/// Products by head: the keys' matrix into the queries before attention, the values' out of the result behind it.
void read_absorbed_table(const CsvTable& csv, Grids& grids) {
  for (size_t line = 0; line < csv.size(); ++line) {
    const std::string& dtype = csv.text(line, "bmm_dtype");
    if (dtype != "bfloat16" && dtype != "fp8") continue;
    const bool before = csv.text(line, "op_name") == "mla_gen_pre";
    const GridKey key{
        dtype == "fp8" ? DType::fp8 : DType::bf16,
        {{"heads", csv.integer(line, "num_heads")}, {"n", before ? kLatent : kValue}, {"k", before ? kNope : kLatent}}};
    add(grids, key, {"rows"}, {csv.integer(line, "num_tokens")}, csv.number(line, "latency"));
  }
}

using Reader = std::function<void(const CsvTable&, Grids&)>;

void read_grids(const std::string& folder, const char* family, const char* name, const char* op, const Reader& read,
                ImportedTables& imported) {
  const PackageTable table = find_table(folder, family, name);
  if (table.file.empty()) {
    imported.left_out.push_back(std::string(name) + ": no such table");
    return;
  }
  Grids grids;
  read(CsvTable(table.file), grids);
  put_grids(grids, op, table.source, imported);
}

}  // namespace

void read_products(const std::string& folder, const Device& device, ImportedTables& imported) {
  // Engines measured few or many numbers of rows: few leave out where a kernel's waves are full.
  const auto is_fine = [](const std::string& file) {
    const CsvTable csv(file);
    std::set<int64_t> rows;
    for (size_t line = 0; line < csv.size(); ++line) rows.insert(csv.integer(line, "m"));
    constexpr size_t kFew = 32;
    return rows.size() > kFew;
  };
  PackageTable table = find_table(folder, "gemm", "gemm_perf", is_fine);
  if (table.file.empty()) table = find_table(folder, "gemm", "gemm_perf");
  if (table.file.empty()) {
    imported.left_out.emplace_back("gemm_perf: no such table");
    return;
  }
  const CsvTable csv(table.file);
  std::map<DType, PointSet> products;
  std::map<std::string, int64_t> others;
  for (size_t line = 0; line < csv.size(); ++line) {
    const auto weights = weights_of(csv.text(line, "gemm_dtype"));
    const int64_t rows = csv.integer(line, "m");
    if (!weights) ++others[csv.text(line, "gemm_dtype")];
    // The package measures 4096 rows and 4097: engines pad, so that rows between are multiples.
    constexpr int64_t kAligned = 4;
    if (!weights || (rows % kAligned != 0 && rows >= kAligned)) continue;
    products.try_emplace(*weights, PointSet({"rows", "n", "k"}))
        .first->second.add({rows, csv.integer(line, "n"), csv.integer(line, "k")}, csv.number(line, "latency"));
  }
  for (const auto& [weights, points] : products) {
    KernelTable grid;
    grid.op = "linear", grid.weights = weights, grid.source = table.source;
    points.put_into(grid);
    grid.tile = smoothest_tile(grid, {device});
    imported.tables.kernels.push_back(std::move(grid));
  }
  for (const auto& [dtype, lines] : others)
    imported.left_out.push_back("gemm_perf " + dtype + ": " + std::to_string(lines) + " lines");
}

void read_attention(const std::string& folder, ImportedTables& imported) {
  for (const bool prefill : {true, false})
    read_grids(
        folder, "attention", prefill ? "context_attention_perf" : "generation_attention_perf", "attention",
        [prefill](const CsvTable& csv, Grids& grids) { read_attention_table(csv, prefill, grids); }, imported);
}

void read_latent_attention(const std::string& folder, ImportedTables& imported) {
  for (const bool prefill : {true, false})
    read_grids(
        folder, "mla", prefill ? "context_mla_perf" : "generation_mla_perf",
        prefill ? "expanded_attention" : "latent_attention",
        [prefill](const CsvTable& csv, Grids& grids) { read_latent_table(csv, prefill, grids); }, imported);
  read_grids(folder, "mla_bmm", "mla_bmm_perf", "head_linear", read_absorbed_table, imported);
}

}  // namespace moesaic
