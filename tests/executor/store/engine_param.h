#pragma once
// Runs a test once per engine; where the kernel refuses io_uring, its tests are skipped with the kernel's reason.

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "core/schema/error.h"
#include "executor/store/aligned_buffer.h"
#include "executor/store/async_file.h"
#include "tests/executor/store/temporary_folder.h"

namespace moesaic::executor {

constexpr int64_t kKiB = 1024;

/// Sanitizers end the program where memory is refused, and need descriptors of their own.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

class EngineTest : public ::testing::TestWithParam<IoEngineChoice> {
 protected:
  void SetUp() override {
    if (GetParam() != IoEngineChoice::io_uring) return;
    try {
      AsyncFile::create(folder.file("probe"), kFileAlignment, {.engine = IoEngineChoice::io_uring});
      std::filesystem::remove(folder.file("probe"));
    } catch (const DeviceError& error) {
      GTEST_SKIP() << error.what();
    }
  }

  AsyncFileOptions options() const {
    AsyncFileOptions result;
    result.engine = GetParam();
    return result;
  }

  TemporaryFolder folder;
};

/// The message of the Error that `call` throws, "" where it throws none.
template <typename Error>
std::string message_of(const auto& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

inline std::string engine_name(const ::testing::TestParamInfo<IoEngineChoice>& info) {
  return info.param == IoEngineChoice::io_uring ? "io_uring" : "threads";
}

#define MOESAIC_FOR_BOTH_ENGINES(suite)                                                                         \
  INSTANTIATE_TEST_SUITE_P(Engine, suite, ::testing::Values(IoEngineChoice::io_uring, IoEngineChoice::threads), \
                           engine_name)

}  // namespace moesaic::executor
