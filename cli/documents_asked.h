#pragma once
// Which documents a word on the command line means: a file, the documents of a folder, or every shipped document of
// that name. It reads none of them.

#include <string>
#include <vector>

namespace moesaic::cli {

struct Session;

/// Paths, sorted within a folder. Throws InputError for a name that no shipped document has, and for a folder without
/// documents. A path that does not exist stays as it is: who reads it says so.
std::vector<std::string> documents_asked(const std::string& word, const Session& session);

}  // namespace moesaic::cli
