#pragma once
// The checkpoints of a training run: which rank saves which weights and moments, when, and from where a run goes on.
// How they become durable is executor/checkpoint's business.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/graph/holdings.h"
#include "core/plan/plan.h"
#include "executor/checkpoint/folder_lock.h"
#include "executor/checkpoint/reader.h"
#include "executor/checkpoint/writer.h"
#include "executor/runtime/residency/expert_states.h"
#include "executor/runtime/residency/state_mirror.h"

namespace moesaic::executor {

struct CheckpointPolicy {
  std::string folder;  // "": no checkpoints
  int64_t every = 10;  // steps; one more after the last step
  bool resume = false;
};

/// Where a run starts, and what was passed over to get there.
struct ResumePoint {
  int64_t step = 0;  // training steps that are done
  std::vector<RejectedFile> rejected;
  std::string warning;  // "": none
};

/// One rank's part of it. Does nothing where the policy names no folder. All functions but poll() are collective.
class TrainingCheckpoint {
 public:
  /// `experts`: those whose home is not the device; null: none.
  static constexpr int kCommunicators = 1;  // behind those of the step
  TrainingCheckpoint(const CheckpointPolicy& policy, const Plan& plan, const TaskGraph& graph, int rank,
                     TensorStore& tensors, ExpertStates* experts, Transport& transport);

  /// Before the first step: takes the folder for this run alone, and loads the newest whole checkpoint, where the
  /// policy says so and there is one, into the state, whatever plan and number of ranks saved it. InputError when it is
  /// of another model or optimizer, when none of those in the folder is whole, when another run uses the folder, and
  /// when that of a run that does not resume holds some. `corpus`: Corpus::identity(); another one than the
  /// checkpoint's is worth a warning.
  ResumePoint start(const std::string& corpus);
  /// Saves when it is due; `steps_done` of `steps`.
  void after_step(int64_t steps_done, int64_t steps, double loss);
  /// Moves a checkpoint on that is being written.
  void poll();
  /// The last checkpoint is committed when this returns.
  void finish();

 private:
  struct Saved {  // a tensor's elements under the names that a checkpoint knows them by
    Holding holding;
    float* data;
    bool saves;  // else it only loads: the rounded copy of what is saved
  };
  /// Experts that live outside the device, as ExpertStates shows them: slot after slot of layer after layer
  /// (slot_states.h).
  struct SavedExperts {
    ExpertStates* states = nullptr;
    std::vector<Piece> pieces;
    std::vector<int64_t> layer_offset;  // [num_moe_layers]: where the first slot of a layer stands
    int64_t elements = 0;
    bool primary = true;  // of the ranks that hold the same experts, the first
  };

  void find_experts(const TaskGraph& graph, int rank);
  void add_expert_piece(const Piece& piece, const Parameter& parameter, int64_t first);
  /// Copies the experts' states, as of so many steps, from where they live, or back.
  void copy_experts(int64_t steps, bool back, std::vector<float>& copy);
  void lock_folder();
  /// The warning, or "".
  std::string load(const Manifest& manifest);
  std::string meta(double loss) const;

  const CheckpointPolicy policy_;
  const Plan& plan_;
  FileSystem files_;
  std::optional<FolderLock> lock_;  // of rank 0
  std::string corpus_;
  StateMirror mirror_;
  std::vector<Saved> state_;
  SavedExperts experts_;
  std::unique_ptr<Communicator> communicator_;  // null: no checkpoints
  std::unique_ptr<CheckpointWriter> writer_;
};

}  // namespace moesaic::executor
