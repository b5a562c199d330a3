#pragma once
// Files that are too large to stand in memory as one text. They are whole or not there, as those of write_file().

#include <functional>
#include <string>
#include <string_view>

namespace moesaic {

/// Takes the next part of a text.
using TextSink = std::function<void(std::string_view)>;

/// write_file() of a text that `produce` hands over part by part. What it throws leaves the old file.
void write_file_in_parts(const std::string& path, const std::function<void(const TextSink&)>& produce);

}  // namespace moesaic
