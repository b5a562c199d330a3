#include "executor/comm/job_environment.h"

#include <charconv>
#include <cstdlib>

#include "core/schema/error.h"

namespace moesaic::executor {
namespace {

struct Names {
  const char* rank;
  const char* size;
};

constexpr Names kLaunchers[] = {{"MOESAIC_RANK", "MOESAIC_SIZE"},
                                {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},
                                {"SLURM_PROCID", "SLURM_NTASKS"},
                                {"PMI_RANK", "PMI_SIZE"},
                                {"RANK", "WORLD_SIZE"}};
constexpr const char* kRemedy = "give --rank, --size and --address";

int parse(const std::string& name, const std::string& text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    throw InputError(name, "", "is '" + text + "'", "a whole number");
  return value;
}

int parse_port(const std::string& name, const std::string& text) {
  const int port = parse(name, text);
  if (port < 1 || port > 65535) throw InputError(name, "", "has port " + text, "1 to 65535");
  return port;
}

TcpAddress parse_address(const std::string& name, const std::string& text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0)
    throw InputError(name, "", "is '" + text + "'", "host:port of rank 0, such as node7:29500");
  std::string host = text.substr(0, colon);
  if (host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  return {host, parse_port(name, text.substr(colon + 1))};
}

void read_rank_and_size(const JobOptions& options, const Variables& variables, JobEnvironment& job) {
  std::string rank_name = "--rank", size_name = "--size";
  std::optional<int> rank = options.rank, size = options.size;
  for (const Names& names : kLaunchers) {
    if (rank || size) break;
    rank_name = names.rank, size_name = names.size;
    if (const auto text = variables(rank_name)) rank = parse(rank_name, *text);
    if (const auto text = variables(size_name)) size = parse(size_name, *text);
  }
  if (!rank && !size)
    throw InputError("MOESAIC_RANK", "", "is not set, nor is the rank of mpirun, Slurm, PMI or torchrun", "", kRemedy);
  if (!rank) throw InputError(rank_name, "", "is not set, but " + size_name + " is", "", kRemedy);
  if (!size) throw InputError(size_name, "", "is not set, but " + rank_name + " is", "", kRemedy);
  if (*size < 1) throw InputError(size_name, "", "is " + std::to_string(*size), "1 or more");
  if (*rank < 0 || *rank >= *size)
    throw InputError(rank_name, "", "is " + std::to_string(*rank), "0 to " + std::to_string(*size - 1));
  job.rank = *rank;
  job.size = *size;
}

TcpAddress find_address(const JobOptions& options, const Variables& variables) {
  if (!options.address.empty()) return parse_address("--address", options.address);
  if (const auto text = variables("MOESAIC_ADDRESS")) return parse_address("MOESAIC_ADDRESS", *text);
  if (const auto host = variables("MASTER_ADDR")) {
    const auto port = variables("MASTER_PORT");
    if (!port) throw InputError("MASTER_PORT", "", "is not set, but MASTER_ADDR is", "", kRemedy);
    return {*host, parse_port("MASTER_PORT", *port)};
  }
  auto nodes = variables("SLURM_STEP_NODELIST");
  if (!nodes) nodes = variables("SLURM_JOB_NODELIST");
  const auto job = variables("SLURM_JOB_ID");
  if (nodes && job) return {first_slurm_host(*nodes), 20000 + parse("SLURM_JOB_ID", *job) % 10000};
  throw InputError("MOESAIC_ADDRESS", "", "is not set", "host:port of rank 0, such as node7:29500", kRemedy);
}

}  // namespace

std::optional<std::string> process_variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

JobEnvironment job_environment(const JobOptions& options, const Variables& variables) {
  JobEnvironment job;
  read_rank_and_size(options, variables, job);
  if (job.size > 1) job.address = find_address(options, variables);
  for (const char* name : {"MOESAIC_JOB", "SLURM_JOB_ID", "TORCHELASTIC_RUN_ID"}) {
    if (!job.id.empty()) break;
    job.id = variables(name).value_or("");
  }
  return job;
}

std::string first_slurm_host(const std::string& node_list) {
  std::string host;
  bool choosing = false, chosen = false;  // inside brackets; past the first choice there
  for (const char c : node_list) {
    if (c == '[') {
      choosing = true, chosen = false;
    } else if (c == ']') {
      choosing = false;
    } else if (choosing && (c == '-' || c == ',')) {
      chosen = true;
    } else if (c == ',') {
      break;
    } else if (!choosing || !chosen) {
      host += c;
    }
  }
  return host;
}

}  // namespace moesaic::executor
