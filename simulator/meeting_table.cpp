#include "simulator/meeting_table.h"

namespace moesaic::simulator {

const Meeting& MeetingTable::of(TaskIndex task, int group_class) {
  const auto kind = static_cast<size_t>(collectives_.kind_of(task));
  if (kind >= known_.size()) known_.resize(kind + 1);
  auto& of_kind = known_[kind];
  if (of_kind.empty()) of_kind.resize(classes_.group_classes(graph_.tasks[task].communicator).size());
  auto& meeting = of_kind[static_cast<size_t>(group_class)];
  if (meeting == nullptr) meeting = std::make_unique<Meeting>(work_out(static_cast<int32_t>(kind), group_class));
  return *meeting;
}

Meeting MeetingTable::work_out(int32_t kind, int group_class) {
  const int communicator = collectives_.communicator(kind);
  const RankClasses::AlikeGroups alike = classes_.group_classes(communicator)[static_cast<size_t>(group_class)];
  const std::vector<int>& group = graph_.communicators[communicator].groups[alike.first];
  const CollectiveTable::Work& work = collectives_.work(kind, alike.first);
  Meeting meeting;
  meeting.price = work.price;
  meeting.groups = alike.count;
  std::vector<bool> seen(static_cast<size_t>(classes_.num_classes()), false);
  for (size_t i = 0; i < group.size(); ++i) {
    const int of_class = classes_.class_of(group[i]);
    if (seen[static_cast<size_t>(of_class)]) continue;
    seen[static_cast<size_t>(of_class)] = true;
    const size_t first = i == 0 ? 0 : work.end_of_flows[i - 1], count = work.end_of_flows[i] - first;
    append_simulated(std::span(work.flows).subspan(first, count), group[i], meeting.flows);
    meeting.members.push_back({of_class, static_cast<int>(count), meeting.flows.size()});
  }
  return meeting;
}

/// Of the flows of a task of `rank` those through ports with other traffic, and the slowest of the others.
void MeetingTable::append_simulated(std::span<const Flow> flows, int rank, std::vector<Flow>& simulated) const {
  const Flow* slowest = nullptr;
  const auto seconds = [&](const Flow& flow) { return flow.bytes / platform_.bandwidth_of(flow.port); };
  for (const Flow& flow : flows) {
    if (fusion_ == Fusion::none || !evidence_.is_undisturbed(flow.port))
      simulated.push_back(classes_.of_class(flow, rank));
    else if (slowest == nullptr || seconds(flow) > seconds(*slowest))
      slowest = &flow;
  }
  if (slowest != nullptr) simulated.push_back(classes_.of_class(*slowest, rank));
}

}  // namespace moesaic::simulator
