#pragma once
// Which rank this process is, of how many, and where rank 0 listens: from options or from what mpirun, Slurm, a PMI
// launcher or torchrun have put into the environment. It opens no connection.

#include <functional>
#include <optional>
#include <string>

#include "executor/comm/tcp_socket.h"

namespace moesaic::executor {

struct JobEnvironment {
  int rank = 0;
  int size = 1;
  TcpAddress address;  // of rank 0; unused when it is alone
  std::string id;      // ranks of different jobs refuse each other
};

/// What was said explicitly.
struct JobOptions {
  std::optional<int> rank, size;
  std::string address;  // "host:port"; "": from the environment
};

using Variables = std::function<std::optional<std::string>(const std::string& name)>;
std::optional<std::string> process_variable(const std::string& name);

/// Rank and size come from the first of these that has either: the options; MOESAIC_RANK, MOESAIC_SIZE;
/// OMPI_COMM_WORLD_RANK, _SIZE; SLURM_PROCID, SLURM_NTASKS; PMI_RANK, PMI_SIZE; RANK, WORLD_SIZE. The address from the
/// first of: the option; MOESAIC_ADDRESS; MASTER_ADDR with MASTER_PORT; the first host of SLURM_STEP_NODELIST or
/// SLURM_JOB_NODELIST with port 20000 + SLURM_JOB_ID mod 10000. The id from MOESAIC_JOB, SLURM_JOB_ID or
/// TORCHELASTIC_RUN_ID. Throws InputError naming the variable that is missing or wrong.
JobEnvironment job_environment(const JobOptions& options = {}, const Variables& variables = process_variable);

/// "gpu[003-010,12],login" -> "gpu003"
std::string first_slurm_host(const std::string& node_list);

}  // namespace moesaic::executor
