#pragma once
// What CLI11 leaves vague: unknown verbs and options with their near names, and one line for every wrong command line.
// It declares no option.

#include <CLI/CLI.hpp>

namespace moesaic::cli {

/// Refuses a verb or a long option that the program does not have, naming the near ones. CLI11 would first complain
/// about required options that are missing because one of them was misspelt.
void check_arguments(const CLI::App& app, int argc, const char* const* argv);

/// The exit code of a command line that ended in parsing: help and version on standard output, else throws InputError.
int end_of_parsing(const CLI::App& app, const CLI::ParseError& error);

/// Refuses an output that could not be written when the work is done: its folder is missing or it is a folder itself.
/// "" and "-" are fine.
void check_output(const std::string& path);

}  // namespace moesaic::cli
