#pragma once
// An engine that does to chosen transfers what a kernel may do, and passes the others on. Errors move no data; short
// transfers really move the part that they report.

#include <errno.h>

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "executor/store/aligned_buffer.h"
#include "executor/store/async_file.h"

namespace moesaic::executor {

struct Fault {
  int error = 0;      // errno
  bool half = false;  // moves half of a transfer of two blocks or more
};

/// Which fault the n-th transfer that is started meets, n from 0.
using FaultOf = std::function<Fault(int64_t n, const Transfer& transfer)>;

class FaultyEngine final : public IoEngine {
 public:
  FaultyEngine(std::unique_ptr<IoEngine> inner, FaultOf fault_of)
      : inner_(std::move(inner)), fault_of_(std::move(fault_of)) {}

  const char* name() const override { return "faulty"; }

  void start(const std::vector<Transfer>& transfers) override {
    std::vector<Transfer> passed;
    for (Transfer transfer : transfers) {
      const Fault fault = fault_of_(started_++, transfer);
      if (fault.error != 0) {
        failed_.push_back({transfer.tag, -fault.error});
        continue;
      }
      if (fault.half && transfer.bytes >= 2 * kFileAlignment)
        transfer.bytes = transfer.bytes / 2 / kFileAlignment * kFileAlignment;
      passed.push_back(transfer);
    }
    if (!passed.empty()) inner_->start(passed);
  }

  void reap(std::vector<Completion>& ended, bool wait) override {
    ended.insert(ended.end(), failed_.begin(), failed_.end());
    inner_->reap(ended, wait && failed_.empty());
    failed_.clear();
  }

 private:
  std::unique_ptr<IoEngine> inner_;
  FaultOf fault_of_;
  int64_t started_ = 0;
  std::vector<Completion> failed_;
};

inline AsyncFileOptions with_faults(AsyncFileOptions options, FaultOf fault_of) {
  options.wrap_engine = [fault_of = std::move(fault_of)](std::unique_ptr<IoEngine> inner) {
    return std::make_unique<FaultyEngine>(std::move(inner), fault_of);
  };
  return options;
}

}  // namespace moesaic::executor
