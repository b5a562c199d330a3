#pragma once
// How far from measured times are the prices that are read between the lines of a GPU's kernel tables? Lines are left
// out, read again from the rest and compared.

#include "core/schema/kernel_tables.h"
#include "experiments/14_how_well_are_gpu_prices_read/result.h"
#include "experiments/laboratory/study.h"

namespace moesaic::experiments {

struct ReadingAxes {
  std::string name;
  std::vector<std::string> clusters;  // whose devices' tables are read
};
ReadingAxes read_reading_axes(const Json& json, const std::string& file);

/// Of one profile. `device`: whose rates the readings' base takes; its name goes into the rows.
std::vector<ReadingErrors> reading_errors(const Profile& profile, const Device& device, const std::string& name);

ReadingResult run_reading_study(const ReadingAxes& axes, const Laboratory& laboratory);
std::string reading_tables(const ReadingResult& result);

extern const Study kReadingStudy;

}  // namespace moesaic::experiments
