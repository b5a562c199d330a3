#pragma once
// What CLI11 leaves vague: unknown verbs and options with their near names, and one line for every wrong command line.
// It declares no option.

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace moesaic::cli {

/// Refuses a verb or a long option that the program does not have, naming the near ones, and options with an empty
/// value. CLI11 would first complain about required options that are missing because one of them was misspelt, and an
/// option that is empty would look like one that is not there.
void check_arguments(const CLI::App& app, int argc, const char* const* argv);

/// The exit code of a command line that ended in parsing: help and version on standard output, else throws InputError.
int end_of_parsing(const CLI::App& app, const CLI::ParseError& error);

/// Refuses outputs that could not be written when the work is done (a folder is missing, or the output is one itself),
/// and those that would replace an input or one another. "" and "-" are fine; inputs may be names of documents too.
void check_outputs(const std::vector<std::string>& outputs, const std::vector<std::string>& inputs);

}  // namespace moesaic::cli
