#pragma once
// `--set` edits as they are written, and the documents that they change. It knows no document: whoever reads the edited
// ones says what is wrong with them.

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "core/schema/documents.h"

namespace moesaic::cli {

/// KEY=VALUE, or KEY*=FACTOR.
struct Edit {
  std::string key, value;
  bool multiply = false;
};

/// InputError where the text is no edit.
Edit parse_edit(const std::string& text);

/// (name, document).
using NamedDocuments = std::vector<std::pair<std::string, Json>>;
Json& document_named(NamedDocuments& documents, const std::string& name);

/// A key with the document in which it was found.
struct EditedKey {
  std::string key;  // as a path of the document: without the document's name
  std::string document;
};
/// Its value; null where the document no longer has it.
const Json* value_of(const EditedKey& key, const NamedDocuments& documents);

/// Sets or multiplies a value. The key is a dotted path in one of the documents, with its name in front
/// (`workload.sequence_length`) or without; then it is that of the first document that has it. InputError with the
/// nearest keys where none has.
EditedKey put(const Edit& edit, NamedDocuments& documents);

}  // namespace moesaic::cli
