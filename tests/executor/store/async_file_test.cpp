// Round trips, contracts and engines of AsyncFile. Failures of the disk are in faults_test.cpp.

#include "executor/store/async_file.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <set>

#include "tests/executor/store/engine_param.h"

namespace moesaic::executor {
namespace {

constexpr int64_t kMiB = 1024 * kKiB;

void fill(const AlignedBuffer& buffer, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::generate_n(reinterpret_cast<uint64_t*>(buffer.data()), buffer.bytes() / 8, std::ref(random));
}

class AsyncFileOnEngine : public EngineTest {};
MOESAIC_FOR_BOTH_ENGINES(AsyncFileOnEngine);

// 5 MiB + 4 KiB in pieces of 1 MiB are 6 pieces, 2 at a time. A second descriptor sees what was written, and the
// reverse.
TEST_P(AsyncFileOnEngine, MovesLargeRequestsInPieces) {
  for (const bool direct : {true, false}) {
    AsyncFileOptions few = options();
    few.queue_depth = 2;
    few.try_direct = direct;
    const int64_t bytes = 5 * kMiB + 4 * kKiB;
    const auto file = AsyncFile::create(folder.file("large"), bytes + 4 * kKiB, few);
    if (!direct) {
      EXPECT_FALSE(file->direct());
    }
    AlignedBuffer out(bytes), in(bytes);
    fill(out, 1);
    file->wait(file->write(4 * kKiB, out.data(), bytes));
    const int fd = ::open(file->path().c_str(), O_RDWR);
    ASSERT_EQ(::pread(fd, in.data(), static_cast<size_t>(bytes), 4 * kKiB), bytes);
    EXPECT_EQ(std::memcmp(in.data(), out.data(), static_cast<size_t>(bytes)), 0);
    fill(out, 2);
    ASSERT_EQ(::pwrite(fd, out.data(), static_cast<size_t>(bytes), 4 * kKiB), bytes);
    ::close(fd);
    file->wait(file->read(4 * kKiB, in.data(), bytes));
    EXPECT_EQ(std::memcmp(in.data(), out.data(), static_cast<size_t>(bytes)), 0);
  }
}

// Sizes of 4 to 64 KiB, all in flight at once: 200 requests over 4 places of the device, in pieces of 16 KiB.
TEST_P(AsyncFileOnEngine, KeepsABacklogOfManyRequests) {
  AsyncFileOptions small = options();
  small.queue_depth = 4;
  small.piece_bytes = 16 * kKiB;
  constexpr int kRequests = 200;
  constexpr int64_t kStride = 64 * kKiB;
  const auto file = AsyncFile::create(folder.file("many"), kRequests * kStride, small);
  std::vector<AlignedBuffer> out, in;
  std::vector<Ticket> tickets;
  for (int i = 0; i < kRequests; ++i) {
    const int64_t bytes = 4 * kKiB * (1 + i % 16);
    fill(out.emplace_back(bytes), static_cast<uint64_t>(i));
    in.emplace_back(bytes);
    tickets.push_back(file->write(i * kStride, out.back().data(), bytes));
  }
  std::reverse(tickets.begin(), tickets.end());
  for (const Ticket ticket : tickets) file->wait(ticket);
  tickets.clear();
  for (int i = 0; i < kRequests; ++i) tickets.push_back(file->read(i * kStride, in[i].data(), in[i].bytes()));
  std::vector<bool> seen(kRequests);
  for (int ended = 0; ended < kRequests;) {
    file->wait_for_any();
    for (int i = 0; i < kRequests; ++i) {
      if (seen[i] || !file->done(tickets[i])) continue;
      seen[i] = true;
      ++ended;
      ASSERT_EQ(std::memcmp(in[i].data(), out[i].data(), static_cast<size_t>(in[i].bytes())), 0) << i;
    }
  }
  EXPECT_TRUE(file->done(tickets[0]));  // an ended request stays ended
  EXPECT_TRUE(file->done(Ticket{}));
}

TEST_P(AsyncFileOnEngine, OpensWhatWasSynced) {
  AlignedBuffer out(kMiB), in(kMiB);
  fill(out, 3);
  {
    const auto file = AsyncFile::create(folder.file("kept"), kMiB, options());
    file->write(0, out.data(), kMiB);
    file->sync();  // waits for the write as well
  }
  const auto file = AsyncFile::open(folder.file("kept"), options());
  EXPECT_EQ(file->bytes(), kMiB);
  EXPECT_STREQ(file->engine(), engine_name({GetParam(), 0}).c_str());
  file->wait(file->read(0, in.data(), kMiB));
  EXPECT_EQ(std::memcmp(in.data(), out.data(), kMiB), 0);
}

// The memory is freed right after the file: a transfer that still ran would be a use after free. 64 pieces of 256 KiB
// on 4 places: most are dropped, those in flight are waited for.
TEST_P(AsyncFileOnEngine, EndsWithRequestsInFlight) {
  for (int round = 0; round < 5; ++round) {
    AsyncFileOptions small = options();
    small.queue_depth = 4;
    small.piece_bytes = 256 * kKiB;
    auto file = AsyncFile::create(folder.file("dropped"), 16 * kMiB, small);
    auto memory = std::make_unique<AlignedBuffer>(16 * kMiB);
    std::memset(memory->data(), 7, static_cast<size_t>(memory->bytes()));
    if (round % 2 == 0) {
      file->write(0, memory->data(), memory->bytes());
    } else {
      file->read(0, memory->data(), memory->bytes());
    }
    file.reset();
    memory.reset();
  }
}

TEST_P(AsyncFileOnEngine, RefusesWhatIsNotAligned) {
  const auto file = AsyncFile::create(folder.file("file"), 64 * kKiB, options());
  AlignedBuffer buffer(8 * kKiB);
  EXPECT_THROW(file->read(512, buffer.data(), 4 * kKiB), InvariantError);
  EXPECT_THROW(file->read(0, buffer.data() + 512, 4 * kKiB), InvariantError);
  EXPECT_THROW(file->write(0, buffer.data(), 512), InvariantError);
  EXPECT_THROW(file->write(0, buffer.data(), 0), InvariantError);
}

TEST_P(AsyncFileOnEngine, RefusesWhatIsNotWithinTheFile) {
  const auto file = AsyncFile::create(folder.file("file"), 64 * kKiB, options());
  AlignedBuffer buffer(8 * kKiB);
  EXPECT_THROW(file->read(64 * kKiB, buffer.data(), 4 * kKiB), InvariantError);
  EXPECT_THROW(file->write(60 * kKiB, buffer.data(), 8 * kKiB), InvariantError);
  EXPECT_THROW(file->read(-4 * kKiB, buffer.data(), 4 * kKiB), InvariantError);
  EXPECT_THROW(file->done(Ticket{1}), InvariantError);
  EXPECT_THROW(AsyncFile::create(folder.file("other"), 1000, options()), InvariantError);
}

TEST(AsyncFile, ChoosesAnEngineThatWorks) {
  const TemporaryFolder folder;
  const auto file = AsyncFile::create(folder.file("file"), kMiB);
  const std::string engine = file->engine();
  EXPECT_TRUE(engine == "io_uring" || engine == "threads") << engine;
  AlignedBuffer buffer(kMiB);
  std::memset(buffer.data(), 1, kMiB);
  file->wait(file->read(0, buffer.data(), kMiB));
  EXPECT_EQ(buffer.data()[kMiB - 1], std::byte{0});  // reserved space reads as zeros
}

/// While it lives, this process can open one more file and nothing else, so that no ring can be made for that file.
class OneMoreFile {
 public:
  OneMoreFile() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const int lowest_free = ::open("/dev/null", O_RDONLY);
    ::close(lowest_free);
    const rlimit limit{static_cast<rlim_t>(lowest_free) + 1, before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  ~OneMoreFile() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  OneMoreFile(const OneMoreFile&) = delete;
  OneMoreFile& operator=(const OneMoreFile&) = delete;

 private:
  rlimit before_{};
};

TEST(AsyncFile, FallsBackToThreadsWhereTheKernelRefusesARing) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer needs descriptors of its own";
  const TemporaryFolder folder;
  const OneMoreFile limit;
  AlignedBuffer buffer(kMiB);
  {
    const auto file = AsyncFile::create(folder.file("file"), kMiB);
    EXPECT_STREQ(file->engine(), "threads");
    file->wait(file->read(0, buffer.data(), kMiB));
  }
  const std::string message = message_of<DeviceError>(
      [&] { AsyncFile::create(folder.file("file"), kMiB, {.engine = IoEngineChoice::io_uring}); });
  EXPECT_EQ(message.rfind(folder.file("file") + ": io_uring is not available: ", 0), 0u) << message;
}

TEST(IoEngine, ARingThatCannotReadIsRefused) { EXPECT_EQ(try_uring_engine(-1, 1).engine, nullptr); }

TEST(AsyncFile, NamesAFolderThatDoesNotExist) {
  EXPECT_EQ(message_of<DeviceError>([] { AsyncFile::create("/no/such/folder/file", kMiB); }),
            "/no/such/folder/file: opening failed: No such file or directory");
  EXPECT_EQ(message_of<DeviceError>([] { AsyncFile::open("/no/such/folder/file"); }),
            "/no/such/folder/file: opening failed: No such file or directory");
}

TEST(AsyncFile, OpensOnlyFilesOfWholeBlocks) {
  const TemporaryFolder folder;
  const std::string path = folder.file("odd");
  ASSERT_EQ(::close(::creat(path.c_str(), 0600)), 0);
  ASSERT_EQ(::truncate(path.c_str(), 5000), 0);
  EXPECT_EQ(message_of<DeviceError>([&] { AsyncFile::open(path); }),
            path + ": expected a regular file whose size is a multiple of 4096, this one has 5000 bytes");
}

TEST(AlignedBuffer, IsAlignedAndPadded) {
  const AlignedBuffer buffer(5000);
  EXPECT_EQ(buffer.bytes(), 8192);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % 4096, 0u);
  EXPECT_THROW(AlignedBuffer(0), InvariantError);
}

// 5000 bytes are padded to 8192; 16 MiB hold 2048 of them, side by side. What comes back is taken again.
TEST(AlignedPool, CutsStretchesAndTakesBuffersBack) {
  AlignedPool pool(5000);
  AlignedBuffer first = pool.take();
  const AlignedBuffer second = pool.take();
  EXPECT_EQ(first.bytes(), 8192);
  EXPECT_EQ(second.data() - first.data(), 8192);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(first.data()) % (2 << 20), 0u);
  std::byte* place = first.data();
  first = AlignedBuffer();
  EXPECT_EQ(pool.take().data(), place);
  std::vector<AlignedBuffer> rest;
  for (int i = 0; i < 2048; ++i) rest.push_back(pool.take());  // more than one stretch has left
  std::set<std::byte*> places{second.data()};
  for (const AlignedBuffer& buffer : rest) EXPECT_TRUE(places.insert(buffer.data()).second);
}

TEST(AlignedBuffer, SaysHowMuchMemoryThereIsNot) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer ends the program where memory is refused";
  EXPECT_EQ(message_of<DeviceError>([] { AlignedBuffer(int64_t{1} << 60); }),
            "no memory for a file buffer of 1152921504606846976 bytes");
}

}  // namespace
}  // namespace moesaic::executor
