#include "cli/options/training_data.h"

#include "cli/options/numbers.h"
#include "core/schema/error.h"
#include "core/schema/formatted.h"

namespace moesaic::cli {

void add_training_data(CLI::App& verb, TrainingData& data) {
  const CLI::Range count(int64_t{1}, int64_t{1000000000});
  const auto files = [&](const std::string& name, std::vector<std::string>& names, const std::string& help) {
    verb.add_option(name, names, help)->type_size(1)->allow_extra_args(false)->take_all();  // the plan may follow
  };
  files("--corpus", data.files,
        "text or tokens to train on, once for each file; default: the licence texts of a Debian system");
  verb.add_option("--corpus-weights", data.weights,
                  "shares of the sequences that come from each --corpus, as in 3,1; default: by their sizes")
      ->delimiter(',')
      ->check(number_within(1e-9, 1e9))
      ->type_size(1)
      ->allow_extra_args(false);
  verb.add_option("--corpus-tokens", data.tokens,
                  "what all files hold: text as bytes, or token ids as uint16 or uint32, little endian")
      ->check(CLI::IsMember({"bytes", "uint16", "uint32"}))
      ->default_str("bytes");
  files("--validation-corpus", data.validation_files, "held-out text to validate with, once for each file");
  verb.add_option("--validation-share", data.validation_share,
                  "share of each --corpus, its end, that is held out: never trained on, validated with")
      ->check(number_within(0, 0.999));
  verb.add_option("--validation-every", data.validation_every, "steps between validations; one more after the last")
      ->check(count)
      ->default_str("10");
  verb.add_option("--validation-batches", data.validation_batches, "global batches of a validation, the same each time")
      ->check(count)
      ->default_str("4");
}

void check_training_data(const CLI::App& verb, const TrainingData& data) {
  for (const char* option : {"--validation-every", "--validation-batches"})
    if (verb.count(option) > 0 && !data.validates())
      throw InputError(option, "", "has nothing to validate with", "--validation-corpus or --validation-share",
                       "name a held-out file, or a share such as 0.05");
  if (!data.validation_files.empty() && data.validation_share > 0)
    throw InputError("--validation-share", "", "and --validation-corpus both say what is held out", "one of them", "");
}

std::vector<std::string> arguments_of(const TrainingData& data) {
  std::vector<std::string> arguments;
  const auto add = [&](const char* option, std::string value) {
    arguments.emplace_back(option);
    arguments.push_back(std::move(value));
  };
  for (const std::string& file : data.files) add("--corpus", file);
  std::string weights;
  for (const double weight : data.weights) weights += (weights.empty() ? "" : ",") + formatted("%.17g", weight);
  if (!weights.empty()) add("--corpus-weights", weights);
  if (data.tokens != "bytes") add("--corpus-tokens", data.tokens);
  if (!data.validates()) return arguments;
  for (const std::string& file : data.validation_files) add("--validation-corpus", file);
  if (data.validation_share > 0) add("--validation-share", formatted("%.17g", data.validation_share));
  add("--validation-every", std::to_string(data.validation_every));
  add("--validation-batches", std::to_string(data.validation_batches));
  return arguments;
}

}  // namespace moesaic::cli
