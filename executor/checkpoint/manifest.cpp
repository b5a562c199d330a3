#include "executor/checkpoint/manifest.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "core/schema/documents.h"
#include "core/schema/object_reader.h"

namespace moesaic::executor {
namespace {

constexpr IntegerRange kElements{0, int64_t{1} << 50};
constexpr IntegerRange kRuns{1, int64_t{1} << 50};

std::string prefix_of(int64_t step) {
  char text[32];
  std::snprintf(text, sizeof text, "step-%09lld.", static_cast<long long>(step));
  return text;
}

/// One past the last logical element.
int64_t logical_end(const Piece& piece) {
  return piece.logical_offset + (piece.runs - 1) * piece.logical_stride + piece.run;
}

/// ["layers.3.qkv", logical offset, logical stride, run, runs]
Piece read_piece(const Field& field) {
  if (field.size() != 5)
    field.refuse("has " + std::to_string(field.size()) + " members", "5: tensor and four integers");
  Piece piece;
  piece.tensor = field[0].text();
  piece.logical_offset = field[1].integer(kElements);
  piece.logical_stride = field[2].integer(kElements);
  piece.run = field[3].integer(kRuns);
  piece.runs = field[4].integer(kRuns);
  int64_t end = 0;
  if (__builtin_mul_overflow(piece.run, piece.runs, &end) ||
      __builtin_mul_overflow(piece.logical_stride, piece.runs, &end) || end > kElements.most ||
      (piece.runs > 1 && piece.logical_stride < piece.run))
    field.refuse("its runs overlap or exceed any tensor");
  return piece;
}

/// Pieces never overlap, so a tensor is complete when they have as many elements as its last one says.
void check_complete(const Manifest& manifest, const std::string& file) {
  struct Extent {
    int64_t end = 0, elements = 0;
  };
  std::map<std::string, Extent> tensors;
  for (const Shard& shard : manifest.shards)
    for (const Piece& piece : shard.pieces) {
      Extent& extent = tensors[piece.tensor];
      extent.end = std::max(extent.end, logical_end(piece));
      extent.elements += piece.elements();
    }
  for (const auto& [name, extent] : tensors)
    if (extent.elements != extent.end)
      throw InputError(file, "/shards",
                       std::to_string(extent.elements) + " elements of '" + name + "' are saved, it has " +
                           std::to_string(extent.end));
}

}  // namespace

std::string manifest_name(int64_t step) { return prefix_of(step) + "manifest"; }

std::string shard_name(int64_t step, int rank) { return prefix_of(step) + "shard-" + std::to_string(rank); }

bool is_manifest_name(const std::string& name) {
  const std::optional<int64_t> step = step_of_name(name);
  return step && name == manifest_name(*step);
}

std::optional<int64_t> step_of_name(const std::string& name) {
  long long step = 0;
  int length = 0;
  if (name.size() > 64 || std::sscanf(name.c_str(), "step-%18lld.%n", &step, &length) != 1 || length == 0 || step < 0)
    return std::nullopt;
  if (name.compare(0, static_cast<size_t>(length), prefix_of(step)) != 0) return std::nullopt;
  const std::string rest = name.substr(static_cast<size_t>(length));
  return rest.starts_with("manifest") || rest.starts_with("shard-") ? std::optional<int64_t>(step) : std::nullopt;
}

std::vector<Piece> packed(const std::vector<Piece>& pieces) {
  std::vector<Piece> result = pieces;
  int64_t next = 0;
  for (Piece& piece : result) {
    piece.local_offset = next;
    piece.local_stride = piece.run;
    next += piece.elements();
  }
  return result;
}

Json write_shard(const Shard& shard) {
  Json pieces = Json::array();
  for (const Piece& p : shard.pieces)
    pieces.push_back(Json::array({p.tensor, p.logical_offset, p.logical_stride, p.run, p.runs}));
  return {{"file", shard.file},
          {"payload_bytes", shard.summary.payload_bytes},
          {"hash", shard.summary.hash},
          {"pieces", std::move(pieces)}};
}

Shard read_shard(const Json& json, const std::string& file, const std::string& pointer) {
  ObjectReader object(json, file, pointer);
  Shard shard;
  shard.file = object["file"].text();
  if (!step_of_name(shard.file) || shard.file.find('/') != std::string::npos)
    object["file"].refuse("is no shard of a checkpoint");
  shard.summary.payload_bytes = object["payload_bytes"].bytes(kBytesRange);
  shard.summary.hash = object["hash"].seed(0);
  const Field pieces = object["pieces"];
  int64_t elements = 0;
  for (size_t i = 0; i < pieces.size(); ++i) {
    shard.pieces.push_back(read_piece(pieces[i]));
    if (__builtin_add_overflow(elements, shard.pieces.back().elements(), &elements)) pieces.refuse("are too many");
  }
  if (elements > kElements.most || elements * static_cast<int64_t>(sizeof(float)) != shard.summary.payload_bytes)
    pieces.refuse("hold " + std::to_string(elements) + " elements, the file " +
                  std::to_string(shard.summary.payload_bytes) + " bytes");
  shard.pieces = packed(shard.pieces);
  object.finish();
  return shard;
}

std::string write_manifest(const Manifest& manifest) {
  Json shards = Json::array();
  for (const Shard& shard : manifest.shards) shards.push_back(write_shard(shard));
  const Json json = {{"kind", "moesaic.checkpoint/1"},
                     {"step", manifest.step},
                     {"meta", parse_json(manifest.meta, "meta")},
                     {"shards", std::move(shards)}};
  return json.dump() + "\n";
}

Manifest read_manifest(const std::string& text, const std::string& file) {
  const Json json = parse_json(text, file);
  ObjectReader object = open_document(json, file, "", "checkpoint");
  Manifest manifest;
  manifest.step = object["step"].integer({0, int64_t{1} << 62});
  manifest.meta = object["meta"].json().dump();
  const Field shards = object["shards"];
  for (size_t i = 0; i < shards.size(); ++i)
    manifest.shards.push_back(read_shard(shards[i].json(), file, shards[i].pointer()));
  object.finish();
  check_complete(manifest, file);
  return manifest;
}

}  // namespace moesaic::executor
