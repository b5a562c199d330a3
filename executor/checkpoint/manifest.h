#pragma once
// What a checkpoint consists of: its shards, which elements of which logical tensors stand in each, and a document of
// the caller's. It holds no tensor data and touches no file.

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/graph/shard.h"
#include "executor/checkpoint/block_file.h"

namespace moesaic::executor {

using Json = nlohmann::ordered_json;

/// The payload is f32, the pieces one after the other: local offsets count its elements, runs follow without gaps.
struct Shard {
  std::string file;  // name within the folder
  BlockFileSummary summary;
  std::vector<Piece> pieces;
};

struct Manifest {
  int64_t step = 0;  // training steps that are done
  std::string meta;  // a JSON object, the caller's
  std::vector<Shard> shards;
};

/// "step-000000006.manifest", "step-000000006.shard-2"; the step of such a name (with or without ".tmp") or nothing.
inline constexpr const char* kCurrent = "CURRENT";
std::string manifest_name(int64_t step);
std::string shard_name(int64_t step, int rank);
bool is_manifest_name(const std::string& name);
std::optional<int64_t> step_of_name(const std::string& name);

/// The same pieces one after the other in memory of their own.
std::vector<Piece> packed(const std::vector<Piece>& pieces);

Json write_shard(const Shard& shard);
std::string write_manifest(const Manifest& manifest);  // kind moesaic.checkpoint/1
/// InputError for anything else than write_manifest() writes, and for tensors of which elements are missing or twice.
Shard read_shard(const Json& json, const std::string& file, const std::string& pointer);
Manifest read_manifest(const std::string& text, const std::string& file);

}  // namespace moesaic::executor
