#pragma once
// Which kinds of device and communicator go together, and which way data then takes between ranks. It decides on names
// and numbers only: it opens neither a device nor a connection.

#include <string>

namespace moesaic::executor {

enum class DeviceKind { cpu, cuda };
enum class CommunicatorKind { local, mpi, tcp, nccl };

const char* name_of(DeviceKind device);
const char* name_of(CommunicatorKind communicator);
/// Throws InputError that lists the names.
DeviceKind parse_device(const std::string& name);
CommunicatorKind parse_communicator(const std::string& name);

/// host: Communicator on the memory of the ranks. staged: StagedGroup, through pinned host memory. nccl: NcclGroup.
enum class DataPath { host, staged, nccl };

/// A run as this machine sees it.
struct RankPair {
  DeviceKind device = DeviceKind::cpu;
  CommunicatorKind communicator = CommunicatorKind::local;
  int ranks = 1;             // on this machine
  int gpus = 0;              // that those ranks may use
  bool shared_gpus = false;  // NCCL may have several ranks on one GPU (executor/nccl/own_devices.h)
};

/// Throws InputError with a remedy where the two cannot work together:
///
///          local     mpi, tcp   nccl
///   cpu    host      host       illegal: NCCL moves data between GPUs only
///   cuda   staged    staged     nccl: one GPU for every rank, unless shared_gpus
DataPath data_path(const RankPair& pair);

}  // namespace moesaic::executor
