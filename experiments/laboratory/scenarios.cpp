#include "experiments/laboratory/scenarios.h"

namespace moesaic::experiments {

DocumentNames read_document_names(ObjectReader& reader) {
  return {reader["model"].text(), reader["cluster"].text(), reader["workload"].text(), reader["routing"].text(""),
          reader["profile"].text("")};
}

}  // namespace moesaic::experiments
