#pragma once
// Reading and writing of every document kind but the plan (core/plan) as strict JSON. Files are written whole or not at
// all.

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "core/schema/cluster.h"
#include "core/schema/model.h"
#include "core/schema/profile.h"
#include "core/schema/routing.h"
#include "core/schema/workload.h"

namespace moesaic {

using Json = nlohmann::ordered_json;

/// Throws InputError where `path` is no regular file nor a link to one: a pipe or device may block whoever opens it, or
/// never end. `expected` is what should be there.
void check_regular_file(const std::string& path, const std::string& expected);

/// Reads a JSON file, a regular one. Refuses duplicate keys, depth over 100, NaN and overflowing numbers, truncation:
/// InputError with file and pointer.
Json read_json(const std::string& path);
/// The file as it is, at most 1 GiB; `expected` is what should be there. InputError where it cannot be read.
std::string read_text(const std::string& path, const std::string& expected);
Json parse_json(const std::string& text, const std::string& file);

/// Writes to `path` by way of a temporary file in the same folder, fsync and rename; on any failure the old file stays.
/// "-" is standard output.
void write_file(const std::string& path, const std::string& text);

/// Each reader takes the parsed document, the file name for error messages and the JSON pointer at which the document
/// starts. Unknown keys, missing keys, wrong types, wrong units and values out of range throw InputError.
Model read_model(const Json& json, const std::string& file,
                 const std::string& pointer = "");  // ours or a Hugging Face config.json
Cluster read_cluster(const Json& json, const std::string& file, const std::string& pointer = "");
Workload read_workload(const Json& json, const std::string& file, const std::string& pointer = "");
RoutingDocument read_routing(const Json& json, const std::string& file, const std::string& pointer = "");
Profile read_profile(const Json& json, const std::string& file, const std::string& pointer = "");

/// The inverse of each reader: read(write(x)) == x. Models are always written in our own form.
Json write_model(const Model& model);
Json write_cluster(const Cluster& cluster);
/// With the keys of device and links that write_cluster leaves out where they have their defaults: for edits, and for
/// documents that say what was measured.
Json write_cluster_in_full(const Cluster& cluster);
Json write_workload(const Workload& workload);
Json write_routing(const RoutingDocument& routing);
Json write_profile(const Profile& profile);

/// FNV-1a 64 over the canonical dump, as 16 hexadecimal digits: the identity of a document.
std::string document_hash(const Json& json);

/// "moesaic.plan/1" -> "plan"; a Hugging Face config without "kind" -> "model". InputError otherwise.
std::string document_kind(const Json& json, const std::string& file);

/// A model's name as its hub writes it -> the name it ships under: "openai/GPT-OSS-120b" -> "gpt-oss-120b"; "": it is
/// not one part, a slash and another, or ends as a file does.
std::string name_from_hub(const std::string& name);

/// "mixtral-8x7b" -> <profiles>/models/mixtral-8x7b.json; a path to an existing file stays as it is; a wrong name is
/// refused with the nearest names, `more_names` among them, which resolve elsewhere. Models also go by name_from_hub.
/// `folder` is "models", "clusters", "workloads", "routing" or "devices". `roots` are searched in order.
std::string resolve_document(const std::string& name, const std::string& folder, const std::vector<std::string>& roots,
                             const std::vector<std::string>& more_names = {});

}  // namespace moesaic
