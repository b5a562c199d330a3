#include "executor/runtime/training/validation.h"

#include <array>

#include "core/graph/stages.h"
#include "core/technique/forward_step.h"
#include "core/technique/lower.h"
#include "executor/runtime/training/rank_inputs.h"

namespace moesaic::executor {

Validation::Validation(const Plan& plan, int rank, Backend& backend, Transport& transport, TrainingStep& step,
                       const MakeDeviceGroups& device_groups, int first_communicator)
    : plan_(plan),
      rank_(rank),
      graph_(graph_of_rank(forward_step(lower(plan)), rank)),
      tensors_(graph_, step.tensors()),
      step_(graph_, plan, rank, backend, transport, tensors_,
            {step.experts(), nullptr, device_groups, false, first_communicator}) {}

double Validation::loss(int64_t steps_done, const ValidationPolicy& policy, Watch& watch) {
  double sum = 0;
  for (int64_t batch = 0; batch < policy.batches; ++batch) {
    load_batch(graph_, plan_, rank_, batch, *policy.corpus, tensors_);
    std::array<double, 2> loss{};  // cross-entropy, auxiliary
    tensors_.write(graph_.inputs.loss, loss.data(), sizeof loss);
    step_.run(steps_done, watch);
    tensors_.read(graph_.inputs.loss, loss.data(), sizeof loss);
    sum += loss[0];
  }
  return sum / static_cast<double>(policy.batches);
}

}  // namespace moesaic::executor
