#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "core/schema/documents.h"
#include "core/schema/error.h"
#include "core/schema/text_sink.h"

namespace moesaic {
namespace {

namespace fs = std::filesystem;

class WriteFile : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::path(::testing::TempDir()) / ("write_file_" + std::string(info->name()) + std::to_string(::getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  static std::string content(const fs::path& path) {
    std::stringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }
  size_t files() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }

  fs::path folder_;
};

TEST_F(WriteFile, ReplacesAndLeavesNothingBeside) {
  const fs::path path = folder_ / "a.json";
  write_file(path, "old");
  ::chmod(path.c_str(), 0640);
  write_file(path, std::string(1 << 20, 'x'));
  EXPECT_EQ(content(path), std::string(1 << 20, 'x'));
  EXPECT_EQ(fs::status(path).permissions(), fs::perms(0640));
  EXPECT_EQ(files(), 1u);
}

// 100,000 numbers, many times what is handed to the system together.
TEST_F(WriteFile, InPartsIsTheSame) {
  std::string whole;
  for (int i = 0; i < 100000; ++i) whole += std::to_string(i) + ",";
  write_file_in_parts(folder_ / "a.json", [](const TextSink& sink) {
    for (int i = 0; i < 100000; ++i) sink(std::to_string(i) + ",");
  });
  EXPECT_EQ(content(folder_ / "a.json"), whole);
  EXPECT_EQ(files(), 1u);
}

TEST_F(WriteFile, APartThatCannotBeMadeLeavesTheOldFile) {
  write_file(folder_ / "a.json", "old");
  const auto produce = [](const TextSink& sink) {
    sink(std::string(1 << 20, 'x'));
    throw DeviceError("no more");
  };
  EXPECT_THROW(write_file_in_parts(folder_ / "a.json", produce), DeviceError);
  EXPECT_EQ(content(folder_ / "a.json"), "old");
  EXPECT_EQ(files(), 1u);
}

TEST_F(WriteFile, RefusesFoldersAndMissingFolders) {
  EXPECT_THROW(write_file(folder_, "text"), InputError);
  EXPECT_THROW(write_file(folder_ / "missing" / "a.json", "text"), InputError);
  EXPECT_THROW(write_file("", "text"), InputError);
  EXPECT_EQ(files(), 0u);
}

TEST_F(WriteFile, GoesThroughALinkToItsTarget) {
  write_file(folder_ / "target.json", "old");
  fs::create_symlink("target.json", folder_ / "link.json");
  write_file(folder_ / "link.json", "new");
  EXPECT_TRUE(fs::is_symlink(folder_ / "link.json"));
  EXPECT_EQ(content(folder_ / "target.json"), "new");
}

TEST_F(WriteFile, AFullDeviceIsAnError) {
  if (fs::exists("/dev/full")) {
    EXPECT_THROW(write_file("/dev/full", "text"), InputError);
  }
  write_file("/dev/null", "text");
}

TEST_F(WriteFile, AReaderNeverSeesHalfAFile) {
  const fs::path path = folder_ / "a.json";
  const std::string texts[] = {std::string(1 << 16, 'a'), std::string(1 << 17, 'b')};
  write_file(path, texts[0]);
  std::thread writer([&] {
    for (int i = 0; i < 50; ++i) write_file(path, texts[i % 2]);
  });
  int whole = 0;
  for (int i = 0; i < 200; ++i) {
    const std::string seen = content(path);
    whole += seen == texts[0] || seen == texts[1] ? 1 : 0;
  }
  writer.join();
  EXPECT_EQ(whole, 200);
}

}  // namespace
}  // namespace moesaic
