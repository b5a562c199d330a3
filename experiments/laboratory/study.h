#pragma once
// The one interface of all studies: from the axes of an experiment.json to a result document, and from that to the
// tables of a README. A study reads and writes no file.

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <type_traits>

#include "core/schema/object_reader.h"
#include "experiments/laboratory/laboratory.h"
#include "experiments/laboratory/record.h"

namespace moesaic::experiments {

struct Study {
  const char* name;  // `study` of an experiment.json
  /// InputError where the axes cannot be read.
  void (*check)(const Json& experiment, const std::string& file);
  /// The result document; `file` is the experiment's, for refusals.
  Json (*run)(const Json& experiment, const std::string& file, const Laboratory& laboratory);
  /// The result as Markdown. InputError where it is none of this study.
  std::string (*tables)(const Json& result, const std::string& file);
  /// The result with its summary computed again from its rows; null where they do not hold what it is computed from.
  Json (*summarize)(const Json& result, const std::string& file) = nullptr;
  /// A member of what `run` gives that is a document of its own, for the file of that name; null without one.
  const char* own_document = nullptr;
};

/// The study of three functions: axes of a document, result of axes, Markdown of a result. The result is a record.
template <auto kReadAxes, auto kRun, auto kTables>
constexpr Study typed_study(const char* name, Json (*summarize)(const Json&, const std::string&) = nullptr,
                            const char* own_document = nullptr) {
  using Axes = std::invoke_result_t<decltype(kReadAxes), const Json&, const std::string&>;
  using Result = std::invoke_result_t<decltype(kRun), const Axes&, const Laboratory&>;
  return {name,
          [](const Json& experiment, const std::string& file) { static_cast<void>(kReadAxes(experiment, file)); },
          [](const Json& experiment, const std::string& file, const Laboratory& laboratory) {
            return write_document(kRun(kReadAxes(experiment, file), laboratory));
          },
          [](const Json& result, const std::string& file) { return kTables(read_document<Result>(result, file)); },
          summarize,
          own_document};
}

/// Opens an experiment.json and takes what all have: `kind`, `name`, `question`, and, optional, `study` and
/// `takes_seconds`, how long the study took where its answer was measured.
ObjectReader open_experiment(const Json& experiment, const std::string& file);

}  // namespace moesaic::experiments
