#include "executor/store/benchmark/fio.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/schema/error.h"

namespace moesaic::executor {
namespace {

std::string output_of(const std::string& command) {
  std::FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (!pipe) throw DeviceError("fio: no process can be made");
  std::string output;
  std::array<char, 4096> part;
  while (const size_t length = std::fread(part.data(), 1, part.size(), pipe)) output.append(part.data(), length);
  if (::pclose(pipe) != 0) throw DeviceError("fio failed (apt-get install fio installs it): " + output);
  return output;
}

}  // namespace

double fio_rate(const std::string& path, const AccessPattern& pattern, int64_t bytes) {
  const std::string direction = pattern.is_write ? "write" : "read";
  const std::string command =
      "fio --name=peer --thread --ioengine=io_uring --direct=1 --output-format=json --filename='" + path +
      "' --rw=" + (pattern.random ? "rand" : "") + direction + " --bs=" + std::to_string(pattern.block_bytes) +
      " --iodepth=" + std::to_string(pattern.queue_depth) + " --size=" + std::to_string(bytes);
  const std::string output = output_of(command);
  // fio may print notes before the document.
  const std::string document = output.substr(std::min(output.find('{'), output.size()));
  const nlohmann::json report = nlohmann::json::parse(document, nullptr, false);
  if (report.is_discarded() || !report.contains("jobs")) throw DeviceError("fio did not report: " + output);
  return report["jobs"][0][direction]["bw_bytes"].get<double>();
}

}  // namespace moesaic::executor
