// What a document is, which one it is, and where it lies.

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/schema/documents.h"
#include "core/schema/error.h"
#include "core/schema/hash.h"
#include "core/schema/nearest_name.h"

namespace moesaic {
namespace {

namespace fs = std::filesystem;

/// The kinds of this suite; those that are not of core/schema have their readers beside their structs.
const std::vector<std::string> kKinds = {
    "model",  "cluster",    "workload", "routing",          "profile",       "plan",    "timeline",
    "result", "experiment", "preset",   "published_system", "kernel_tables", "hardware"};

bool is_readable_file(const fs::path& path) {
  std::error_code ignored;
  const fs::file_status status = fs::status(path, ignored);
  return fs::exists(status) && !fs::is_directory(status);
}

/// Names of all documents in `folder` of every root, sorted, each once.
std::vector<std::string> names_in(const std::string& folder, const std::vector<std::string>& roots) {
  std::vector<std::string> names;
  for (const std::string& root : roots) {
    std::error_code error;
    for (fs::directory_iterator entry(fs::path(root) / folder, error), end; !error && entry != end;
         entry.increment(error)) {
      if (entry->path().extension() == ".json") names.push_back(entry->path().stem().string());
    }
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

/// ", but in clusters": a name that was given in another's place.
std::string elsewhere(const std::string& name, const std::string& folder, const std::vector<std::string>& roots) {
  for (const char* other : {"models", "clusters", "workloads", "routing"})
    for (const std::string& root : roots)
      if (other != folder && is_readable_file(fs::path(root) / other / (name + ".json")))
        return std::string(", but in ") + other;
  return "";
}

}  // namespace

std::string document_hash(const Json& json) {
  // Sorted keys make the dump canonical: the order of members carries no meaning.
  const nlohmann::json sorted = json;
  const std::string text = sorted.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return hash_digits(fnv1a64(text));
}

std::string document_kind(const Json& json, const std::string& file) {
  if (!json.is_object()) throw InputError(file, "", "is not a document of this suite", "a JSON object");
  const auto kind = json.find("kind");
  if (kind == json.end()) {
    if (json.contains("model_type")) return "model";
    throw InputError(file, "/kind", "is missing",
                     "\"moesaic.<name>/1\", or model_type as in a Hugging Face config.json");
  }
  if (!kind->is_string()) throw InputError(file, "/kind", "is not a string", "\"moesaic.<name>/1\"");
  const auto text = kind->get<std::string>();
  std::vector<std::string> spellings;
  for (const std::string& name : kKinds) spellings.push_back("moesaic." + name + "/1");
  const auto found = std::find(spellings.begin(), spellings.end(), text);
  if (found == spellings.end()) {
    throw InputError(file, "/kind", "unknown kind \"" + text.substr(0, 80) + "\"", "", suggestion(text, spellings));
  }
  return kKinds[static_cast<size_t>(found - spellings.begin())];
}

std::string name_from_hub(const std::string& name) {
  const size_t slash = name.find('/');
  const bool is_path = name.starts_with('.') || slash == 0 || slash != name.rfind('/') || name.ends_with(".json");
  if (slash == std::string::npos || is_path) return "";
  std::string own = name.substr(slash + 1);
  for (char& c : own)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return own;
}

std::string resolve_document(const std::string& name, const std::string& folder, const std::vector<std::string>& roots,
                             const std::vector<std::string>& more_names) {
  if (is_readable_file(name)) return name;
  const bool is_path = name.empty() || name.find('/') != std::string::npos || name.ends_with(".json");
  const std::string own = !is_path ? name : folder == "models" ? name_from_hub(name) : "";
  for (const std::string& root : roots) {
    const fs::path candidate = fs::path(root) / folder / (own + ".json");
    if (!own.empty() && is_readable_file(candidate)) return candidate.string();
  }
  if (is_path) throw InputError(name.empty() ? folder : name, "", "no such file", "a file, or a name from " + folder);
  std::vector<std::string> names = names_in(folder, roots);
  names.insert(names.end(), more_names.begin(), more_names.end());
  throw InputError(name, "", "no document of this name in " + folder + elsewhere(name, folder, roots), "",
                   names.empty() ? "give a path" : suggestion(name, names));
}

}  // namespace moesaic
