// Which checkpoint of a folder is whole: CURRENT -> manifest -> shards, and back to older ones.

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "core/schema/documents.h"
#include "core/schema/error.h"
#include "executor/checkpoint/reader.h"
#include "executor/checkpoint/text_gather.h"

namespace moesaic::executor {
namespace {

Json write_rejected(const std::vector<RejectedFile>& rejected) {
  Json json = Json::array();
  for (const RejectedFile& file : rejected) json.push_back({file.file, file.problem});
  return json;
}

void append_rejected(const Json& json, std::vector<RejectedFile>& rejected) {
  for (const Json& file : json) rejected.push_back({file[0].get<std::string>(), file[1].get<std::string>()});
}

/// Manifests in the order in which they are tried.
struct Candidates {
  std::vector<std::string> manifests;
  std::vector<RejectedFile> rejected;  // CURRENT, when it is damaged; the folder "." itself
};

Candidates list_candidates(FileSystem& files, const std::string& folder) {
  Candidates candidates;
  std::vector<std::string> names;
  if (files.list(folder, names) != 0 && errno != ENOENT)  // a folder that does not exist holds nothing
    candidates.rejected.push_back({".", std::string("cannot be listed: ") + std::strerror(errno)});
  for (const std::string& name : names)
    if (is_manifest_name(name)) candidates.manifests.push_back(name);
  const auto newer = [](const std::string& a, const std::string& b) { return *step_of_name(a) > *step_of_name(b); };
  std::sort(candidates.manifests.begin(), candidates.manifests.end(), newer);
  if (std::find(names.begin(), names.end(), kCurrent) == names.end()) return candidates;
  try {
    const std::string current = BlockFile(files, folder + "/" + kCurrent).text();
    if (!is_manifest_name(current)) throw DamagedFile(kCurrent, "names no manifest");
    std::erase(candidates.manifests, current);
    candidates.manifests.insert(candidates.manifests.begin(), current);
  } catch (const DamagedFile& damaged) {
    candidates.rejected.push_back({kCurrent, damaged.problem()});
  }
  return candidates;
}

/// The manifest, and what is wrong with it or with every parts-th of its shards.
std::optional<Manifest> verify(FileSystem& files, const std::string& folder, const std::string& name, int part,
                               int parts, std::vector<RejectedFile>& rejected) {
  Manifest manifest;
  try {
    manifest = read_manifest(BlockFile(files, folder + "/" + name).text(), name);
    if (manifest_name(manifest.step) != name) throw DamagedFile(name, "is of step " + std::to_string(manifest.step));
  } catch (const DamagedFile& damaged) {
    rejected.push_back({name, damaged.problem()});
    return std::nullopt;
  } catch (const InputError& error) {
    rejected.push_back({name, error.what()});
    return std::nullopt;
  }
  for (size_t i = static_cast<size_t>(part); i < manifest.shards.size(); i += static_cast<size_t>(parts)) {
    const Shard& shard = manifest.shards[i];
    try {
      BlockFile file(files, folder + "/" + shard.file);
      if (file.summary() != shard.summary) throw DamagedFile(shard.file, "is not the file that the manifest speaks of");
      file.verify_all();
    } catch (const DamagedFile& damaged) {
      rejected.push_back({shard.file, damaged.problem()});
    }
  }
  return manifest;
}

}  // namespace

FoundCheckpoint find_checkpoint(FileSystem& files, const std::string& folder) {
  Candidates candidates = list_candidates(files, folder);
  FoundCheckpoint found{std::nullopt, std::move(candidates.rejected)};
  for (const std::string& name : candidates.manifests) {
    const size_t before = found.rejected.size();
    found.manifest = verify(files, folder, name, 0, 1, found.rejected);
    if (found.rejected.size() == before) return found;
  }
  found.manifest.reset();
  return found;
}

FoundCheckpoint find_checkpoint(FileSystem& files, const std::string& folder, Communicator& communicator) {
  int64_t sequence = 0;
  const auto gather = [&](const Json& json) {
    TextGather exchange(communicator, sequence, json.dump(-1, ' ', false, Json::error_handler_t::replace));
    sequence += 2;
    exchange.wait();
    return exchange.texts();
  };
  Candidates candidates;  // rank 0's count: what another sees in the folder may differ for a moment
  if (communicator.rank() == 0) candidates = list_candidates(files, folder);
  const Json first =
      Json::parse(gather({{"manifests", candidates.manifests}, {"rejected", write_rejected(candidates.rejected)}})[0]);
  FoundCheckpoint found;
  append_rejected(first["rejected"], found.rejected);
  for (const Json& name : first["manifests"]) {
    std::vector<RejectedFile> own, all;
    found.manifest = verify(files, folder, name.get<std::string>(), communicator.rank(), communicator.size(), own);
    for (const std::string& text : gather(write_rejected(own))) append_rejected(Json::parse(text), all);
    if (all.empty()) return found;
    for (const RejectedFile& file : all)  // a damaged manifest is seen by every rank
      if (std::find(found.rejected.begin(), found.rejected.end(), file) == found.rejected.end())
        found.rejected.push_back(file);
  }
  found.manifest.reset();
  return found;
}

}  // namespace moesaic::executor
