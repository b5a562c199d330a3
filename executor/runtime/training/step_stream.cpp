#include "executor/runtime/training/step_stream.h"

#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "core/schema/error.h"
#include "core/schema/formatted.h"

namespace moesaic::executor {
namespace {

/// Bytes of the whole lines at the beginning of the file whose steps are no later than `steps`.
int64_t bytes_of_steps(const std::string& path, int64_t steps) {
  std::ifstream in(path, std::ios::binary);
  int64_t bytes = 0;
  for (std::string line; std::getline(in, line) && !in.eof();) {  // without its end a line is not whole
    long long step = 0;
    if (std::sscanf(line.c_str(), "{\"step\":%lld,", &step) != 1 || step > steps) break;
    bytes += static_cast<int64_t>(line.size()) + 1;
  }
  return bytes;
}

std::string number_or_null(double value) { return std::isfinite(value) ? formatted("%.17g", value) : "null"; }

}  // namespace

StepStream::StepStream(const std::string& path, int64_t steps_done) : path_(path) {
  const int64_t kept = steps_done > 0 ? bytes_of_steps(path, steps_done) : 0;
  file_.reset(std::fopen(path.c_str(), "ae"));
  std::error_code error;
  if (file_) std::filesystem::resize_file(path, static_cast<uintmax_t>(kept), error);
  if (!file_ || error)
    throw InputError(path, "", "cannot be written: " + (error ? error.message() : std::strerror(errno)),
                     "a file for the losses of a long run, beside its result", "name another result");
}

void StepStream::write(const TrainedStep& step) {
  const std::string line = "{\"step\":" + std::to_string(step.step + 1) + ",\"loss\":" + number_or_null(step.loss) +
                           ",\"cross_entropy\":" + number_or_null(step.cross_entropy) +
                           (step.gradient_norm ? ",\"gradient_norm\":" + number_or_null(*step.gradient_norm) : "") +
                           ",\"seconds\":" + formatted("%.6g", step.record.seconds) + "}\n";
  if (std::fwrite(line.data(), 1, line.size(), file_.get()) != line.size() || std::fflush(file_.get()) != 0)
    throw DeviceError(path_ + ": cannot be written: " + std::strerror(errno));
}

}  // namespace moesaic::executor
