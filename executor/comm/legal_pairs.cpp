#include "executor/comm/legal_pairs.h"

#include <array>
#include <utility>

#include "core/schema/error.h"

namespace moesaic::executor {
namespace {

constexpr std::array<std::pair<const char*, DeviceKind>, 2> kDevices{
    {{"cpu", DeviceKind::cpu}, {"cuda", DeviceKind::cuda}}};
constexpr std::array<std::pair<const char*, CommunicatorKind>, 4> kCommunicators{{{"local", CommunicatorKind::local},
                                                                                  {"mpi", CommunicatorKind::mpi},
                                                                                  {"tcp", CommunicatorKind::tcp},
                                                                                  {"nccl", CommunicatorKind::nccl}}};

template <typename Table, typename Kind>
const char* name_in(const Table& table, Kind kind) {
  for (const auto& [name, entry] : table)
    if (entry == kind) return name;
  throw InvariantError(__FILE__, __LINE__, "kind", "has no name");
}

template <typename Table>
auto parse(const Table& table, const std::string& option, const std::string& text) {
  std::string names;
  for (const auto& [name, kind] : table) {
    if (text == name) return kind;
    names += (names.empty() ? "" : ", ") + std::string(name);
  }
  throw InputError(option + " " + text, "", "is not known", names);
}

std::string counted(int count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

}  // namespace

const char* name_of(DeviceKind device) { return name_in(kDevices, device); }
const char* name_of(CommunicatorKind communicator) { return name_in(kCommunicators, communicator); }
DeviceKind parse_device(const std::string& name) { return parse(kDevices, "device", name); }
CommunicatorKind parse_communicator(const std::string& name) { return parse(kCommunicators, "--communicator", name); }

DataPath data_path(const RankPair& pair) {
  const bool nccl = pair.communicator == CommunicatorKind::nccl;
  if (pair.device == DeviceKind::cpu) {
    if (nccl)
      throw InputError("--communicator nccl", "", "moves data between GPUs, and the plan is for CPU ranks",
                       "a plan for a cluster of GPUs", "leave --communicator out");
    return DataPath::host;
  }
  if (!nccl) return DataPath::staged;
  if (pair.ranks > pair.gpus && !pair.shared_gpus)
    throw InputError("--communicator nccl", "",
                     "this machine has " + counted(pair.ranks, "rank") + " and " + counted(pair.gpus, "GPU"),
                     "one GPU for every rank", "leave --communicator out, or start one rank for every GPU");
  return DataPath::nccl;
}

}  // namespace moesaic::executor
