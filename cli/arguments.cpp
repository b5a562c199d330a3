#include "cli/arguments.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <string_view>

#include "cli/session.h"
#include "core/schema/error.h"
#include "core/schema/nearest_name.h"

namespace moesaic::cli {
namespace {

std::vector<std::string> verb_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(verb->get_name());
  return names;
}

std::vector<std::string> option_names(const CLI::App& verb) {
  std::vector<std::string> names;
  for (const CLI::Option* option : verb.get_options())
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

void check_option(const CLI::App& verb, const std::string& path, const std::string& argument) {
  const std::string name = argument.substr(0, argument.find('='));
  if (verb.get_option_no_throw(name) == nullptr)
    throw InputError(path + " " + name, "", "no such option", "", suggestion(name, option_names(verb)));
}

/// `next`: the argument behind it; null: none.
void check_value(const CLI::App& verb, const std::string& path, const std::string& argument, const char* next) {
  const size_t equals = argument.starts_with("--") ? argument.find('=') : std::string::npos;
  const std::string name = argument.substr(0, equals);
  const CLI::Option* option = verb.get_option_no_throw(name);
  if (option == nullptr || option->get_expected_max() == 0) return;  // a flag
  const bool empty = equals != std::string::npos ? equals + 1 == argument.size() : next != nullptr && *next == '\0';
  if (empty) throw InputError(path + " " + name, "", "is empty", "a value", "leave the option out, or name what it is");
}

/// Of an output file. A pipe or a device is written as it is.
bool replaces(const std::string& output, const std::string& other) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  return fs::is_regular_file(output, ignored) && fs::equivalent(output, other, ignored);
}

void check_output(const std::string& path) {
  namespace fs = std::filesystem;
  if (path.empty() || path == "-") return;
  std::error_code error;
  const fs::file_type type = fs::status(path, error).type();
  if (error == std::errc::filename_too_long) throw InputError(path, "", "cannot be written: " + error.message());
  if (type == fs::file_type::directory) throw InputError(path, "", "is a folder", "a file to write");
  const bool absent = type == fs::file_type::not_found || type == fs::file_type::none;
  if (!absent && type != fs::file_type::regular) return;  // a pipe or device
  const fs::path parent = fs::path(path).parent_path();
  const std::string folder = parent.empty() ? "." : parent.string();
  if (fs::exists(folder, error) && !fs::is_directory(folder, error))
    throw InputError(path, "", "cannot be written: " + folder + " is no folder", "a folder that can be written");
  if (access(folder.c_str(), W_OK | X_OK) != 0)
    throw InputError(path, "", "cannot be written: folder " + folder + ": " + std::strerror(errno),
                     "a folder that can be written", "make it first, or give another path");
}

}  // namespace

void check_arguments(const CLI::App& app, int argc, const char* const* argv) {
  if (argc < 2) return;
  const std::string first = argv[1];
  if (first.starts_with('-')) return;
  const std::vector<std::string> verbs = verb_names(app);
  if (std::find(verbs.begin(), verbs.end(), first) == verbs.end())
    throw InputError(first, "", "no such verb", "", suggestion(first, verbs));
  const CLI::App* verb = app.get_subcommand(first);
  std::string path = first;
  for (int i = 2; i < argc && std::string_view(argv[i]) != "--"; ++i) {
    if (std::string_view(argv[i]).starts_with('-'))
      check_value(*verb, path, argv[i], i + 1 < argc ? argv[i + 1] : nullptr);
    if (std::string_view(argv[i]).starts_with("--")) {
      check_option(*verb, path, argv[i]);
    } else if (const auto inner = verb->get_subcommands([&](const CLI::App* a) { return a->get_name() == argv[i]; });
               !inner.empty()) {
      verb = inner.front();
      path += std::string(" ") + argv[i];
    }
  }
}

int end_of_parsing(const CLI::App& app, const CLI::ParseError& error) {
  const std::vector<CLI::App*> parsed = app.get_subcommands();
  const std::string verb = parsed.empty() ? "" : parsed.front()->get_name();
  if (error.get_exit_code() != 0)
    throw InputError(verb, "", error.what(), "", "see `moesaic " + verb + (verb.empty() ? "" : " ") + "--help`");
  app.exit(error);
  std::cout.flush();
  if (!std::cout) throw InputError("standard output", "", "cannot be written");
  return kOk;
}

void check_outputs(const std::vector<std::string>& outputs, const std::vector<std::string>& inputs) {
  namespace fs = std::filesystem;
  for (size_t i = 0; i < outputs.size(); ++i) {
    check_output(outputs[i]);
    for (const std::string& input : inputs)
      if (replaces(outputs[i], input))
        throw InputError(outputs[i], "", "is an input, which the output would replace", "another file",
                         "name another output");
    if (outputs[i].empty() || (fs::exists(outputs[i]) && !fs::is_regular_file(outputs[i]))) continue;
    for (size_t before = 0; before < i; ++before)
      if (outputs[before] == outputs[i] || replaces(outputs[i], outputs[before]))
        throw InputError(outputs[i], "", "is the file of two outputs", "a file for each", "name another file for one");
  }
}

}  // namespace moesaic::cli
