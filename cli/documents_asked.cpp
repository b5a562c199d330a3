#include "cli/documents_asked.h"

#include <algorithm>
#include <filesystem>

#include "cli/laboratory.h"
#include "cli/questions.h"
#include "cli/session.h"
#include "core/schema/error.h"
#include "core/schema/nearest_name.h"

namespace moesaic::cli {
namespace {

namespace fs = std::filesystem;

/// Entries of a folder, sorted; none where it cannot be read.
std::vector<fs::path> entries_of(const fs::path& folder) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error))
    entries.push_back(entry->path());
  std::sort(entries.begin(), entries.end());
  return entries;
}

std::vector<fs::path> documents_in(const fs::path& folder) {
  std::vector<fs::path> files = entries_of(folder);
  std::erase_if(files, [](const fs::path& file) { return file.extension() != ".json" || fs::is_directory(file); });
  return files;
}

struct Named {
  std::string name, file;
  std::string short_name;  // "" without
};

/// A device's name is that of its folder, an experiment's too or its number, any other document's that of its file.
std::vector<Named> shipped_documents(const Session& session) {
  std::vector<fs::path> folders;
  for (const std::string& root : session.document_roots())
    for (const char* kind : {"models", "clusters", "workloads", "routing"}) folders.push_back(fs::path(root) / kind);
  folders.emplace_back(session.preset_folder());
  folders.push_back(fs::path(kExperiments) / "systems");
  std::vector<Named> documents;
  for (const fs::path& folder : folders)
    for (const fs::path& file : documents_in(folder)) documents.push_back({file.stem(), file, ""});
  for (const std::string& root : session.document_roots())
    for (const fs::path& device : entries_of(fs::path(root) / "devices"))
      for (const fs::path& file : documents_in(device)) documents.push_back({device.filename(), file, ""});
  for (const Question& question : questions())
    if (!question.asks.empty())
      documents.push_back({question.name, question.file("experiment.json"), question.number()});
  return documents;
}

}  // namespace

std::vector<std::string> documents_asked(const std::string& word, const Session& session) {
  std::vector<std::string> files;
  std::error_code ignored;
  if (fs::is_directory(word, ignored)) {
    for (const fs::path& file : documents_in(word)) files.push_back(file);
    if (files.empty())
      throw InputError(word, "", "is a folder without documents", "a folder such as `moesaic profile` writes");
    return files;
  }
  const bool is_path = word.find('/') != std::string::npos || word.find(".json") != std::string::npos;
  if (fs::exists(word, ignored)) return {word};
  if (is_path) {
    for (const Named& document : shipped_documents(session))
      if (document.name == name_from_hub(word)) return {document.file};
    return {word};
  }
  std::vector<std::string> names;
  for (const Named& document : shipped_documents(session)) {
    if (document.name == word || document.short_name == word) files.push_back(document.file);
    if (std::find(names.begin(), names.end(), document.name) == names.end()) names.push_back(document.name);
  }
  if (files.empty())
    throw InputError(word, "",
                     "no document of this name in models, clusters, workloads, routing, presets, devices, systems or "
                     "experiments",
                     "", suggestion(word, names));
  return files;
}

}  // namespace moesaic::cli
