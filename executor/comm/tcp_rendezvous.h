#pragma once
// How the ranks of a job find each other without any other program: rank 0 listens, everybody reports to it and gets
// the table of all, then each pair has one connection. It moves no messages.

#include <string>
#include <vector>

#include "executor/comm/job_environment.h"
#include "executor/comm/tcp_socket.h"

namespace moesaic::executor {

struct TcpMeeting {
  std::vector<TcpSocket> sockets;       // [size], to every other rank; the own one is not open
  std::vector<std::string> host_names;  // [size]
};

/// Collective. `host_name` is what the others learn about where this rank runs. `listener`: of rank 0, listening
/// already; else rank 0 listens at the job's address. Throws DeviceError on every rank that has reported when some are
/// missing after `time_limit_s`, naming them, and on a rank that rank 0 refuses: one of another job or version, with
/// another size, or with a rank that has reported already. Strangers are not heard.
TcpMeeting meet(const JobEnvironment& job, const std::string& host_name, double time_limit_s, TcpSocket listener = {});

}  // namespace moesaic::executor
