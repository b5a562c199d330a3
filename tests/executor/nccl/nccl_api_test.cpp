// What a user reads where NCCL is missing, and that the installed library has every function of the table.

#include "executor/nccl/nccl_api.h"

#include <gtest/gtest.h>

#include "core/schema/error.h"

namespace moesaic::executor {
namespace {

std::string refusal(const std::string& library) {
  try {
    (void)load_nccl(library);
  } catch (const DeviceError& error) {
    return error.what();
  }
  return "";
}

const std::string kRemedy =
    "; install NCCL 2.22.0 or newer where the loader finds it (LD_LIBRARY_PATH), or leave --communicator out";

TEST(NcclApi, SaysWhatIsMissing) {
  EXPECT_EQ(refusal("libno_such_nccl.so.2"),
            "nccl: libno_such_nccl.so.2: cannot open shared object file: No such file or directory" + kRemedy);
  EXPECT_EQ(refusal("libm.so.6"), "nccl: libm.so.6 has no ncclGetVersion" + kRemedy);
}

TEST(NcclApi, WritesVersionsAsPeopleDo) {
  EXPECT_EQ(nccl_version_text(22809), "2.28.9");
  EXPECT_EQ(nccl_version_text(23004), "2.30.4");
}

TEST(NcclApi, FindsEveryFunctionInTheInstalledLibrary) {
  if (const std::string reason = refusal("libnccl.so.2"); !reason.empty()) GTEST_SKIP() << reason;
  int version = 0;
  EXPECT_EQ(nccl().get_version(&version), ncclSuccess);
  EXPECT_GE(version, kOldestNccl);
  EXPECT_STREQ(nccl().get_error_string(ncclSuccess), "no error");
}

}  // namespace
}  // namespace moesaic::executor
