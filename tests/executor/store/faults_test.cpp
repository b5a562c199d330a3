// What files do when the disk is full, broken or slow to answer: the kernel's own failures where a test can cause them
// (a size limit, a full tmpfs, a file that was cut), injected ones for the rest.

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstring>

#include "executor/store/block_store.h"
#include "tests/executor/store/engine_param.h"
#include "tests/executor/store/faulty_engine.h"

namespace moesaic::executor {
namespace {

constexpr int64_t kPiece = 16 * kKiB;

class Faults : public EngineTest {
 protected:
  AsyncFileOptions pieces_of_16_kib(int queue_depth) const {
    AsyncFileOptions result = options();
    result.piece_bytes = kPiece;
    result.queue_depth = queue_depth;
    return result;
  }
};
MOESAIC_FOR_BOTH_ENGINES(Faults);

AlignedBuffer filled(int64_t bytes, int value) {
  AlignedBuffer buffer(bytes);
  std::memset(buffer.data(), value, static_cast<size_t>(buffer.bytes()));
  return buffer;
}

bool begins_with(const std::string& text, const std::string& beginning) { return text.rfind(beginning, 0) == 0; }

// A request of 8 pieces on 3 places; transfer n is piece n. Every n in turn fails: the request throws, each time it is
// asked, and names the place; the request behind it is not touched; the file is never again called durable.
TEST_P(Faults, EveryPieceMayFail) {
  const AlignedBuffer out = filled(8 * kPiece, 5), other = filled(kPiece, 6);
  for (int64_t bad = 0; bad < 8; ++bad) {
    const auto fail_one = [bad](int64_t n, const Transfer&) { return Fault{.error = n == bad ? EIO : 0}; };
    const auto file = AsyncFile::create(folder.file("file"), 16 * kPiece, with_faults(pieces_of_16_kib(3), fail_one));
    const Ticket broken = file->write(0, out.data(), 8 * kPiece);
    const Ticket sound = file->write(8 * kPiece, other.data(), kPiece);
    const std::string expected = file->path() + ": writing 16384 bytes at offset " + std::to_string(bad * kPiece) +
                                 " failed: Input/output error (";
    for (int time = 0; time < 2; ++time) {
      const std::string message = message_of<DeviceError>([&] { file->wait(broken); });
      EXPECT_TRUE(begins_with(message, expected)) << message;
    }
    EXPECT_THROW(file->done(broken), DeviceError);
    file->wait(sound);
    const AlignedBuffer in = filled(kPiece, 0);
    file->wait(file->read(8 * kPiece, in.data(), kPiece));
    EXPECT_EQ(std::memcmp(in.data(), other.data(), kPiece), 0);
    EXPECT_TRUE(begins_with(message_of<DeviceError>([&] { file->sync(); }), expected));
  }
}

TEST_P(Faults, ReadsFailByName) {
  const auto fail_all = [](int64_t, const Transfer&) { return Fault{.error = EIO}; };
  const auto file = AsyncFile::create(folder.file("file"), 4 * kPiece, with_faults(pieces_of_16_kib(1), fail_all));
  const AlignedBuffer in = filled(2 * kPiece, 0);
  const Ticket read = file->read(kPiece, in.data(), 2 * kPiece);
  EXPECT_EQ(message_of<DeviceError>([&] { file->wait(read); }),
            file->path() + ": reading 16384 bytes at offset 16384 failed: Input/output error");
}

// Every transfer is first interrupted, then refused, then cut in half until it is one block: the data is right.
TEST_P(Faults, InterruptedAndShortTransfersGoOn) {
  int64_t interruptions = 0, halves = 0;
  const auto annoy = [&](int64_t n, const Transfer& transfer) {
    const Fault fault = n % 3 == 0 ? Fault{.error = EINTR} : n % 3 == 1 ? Fault{.error = EAGAIN} : Fault{.half = true};
    interruptions += fault.error != 0;
    halves += fault.half && transfer.bytes >= 2 * kFileAlignment;
    return fault;
  };
  const auto file = AsyncFile::create(folder.file("file"), 8 * kPiece, with_faults(pieces_of_16_kib(1), annoy));
  const AlignedBuffer out(8 * kPiece), in = filled(8 * kPiece, 0);
  for (int64_t i = 0; i < out.bytes(); ++i) out.data()[i] = static_cast<std::byte>(i / 4096 + i % 251);
  file->wait(file->write(0, out.data(), out.bytes()));
  file->wait(file->read(0, in.data(), in.bytes()));
  EXPECT_EQ(std::memcmp(in.data(), out.data(), static_cast<size_t>(out.bytes())), 0);
  // A piece of 4 blocks ends after 3 short rounds (2, 1 and 1 block), each after 2 refusals, the last of which is not
  // short: 2 halves and 6 interruptions for each of the 16 pieces.
  EXPECT_EQ(interruptions, 16 * 6);
  EXPECT_EQ(halves, 16 * 2);
  file->sync();
}

TEST_P(Faults, ADiskThatNeverAnswersIsAnError) {
  const auto refuse = [](int64_t, const Transfer&) { return Fault{.error = EAGAIN}; };
  const auto file = AsyncFile::create(folder.file("file"), kPiece, with_faults(options(), refuse));
  const AlignedBuffer in = filled(kPiece, 0);
  const Ticket read = file->read(0, in.data(), kPiece);
  EXPECT_EQ(message_of<DeviceError>([&] { file->wait(read); }),
            file->path() + ": reading 16384 bytes at offset 0 failed: Resource temporarily unavailable, 1000 times");
}

/// Limits the size of this process's files while it lives; a write beyond is EFBIG, no signal.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(int64_t bytes) : old_handler_(::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &old_limit_);
    const rlimit limit{static_cast<rlim_t>(bytes), old_limit_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_limit_);
    ::signal(SIGXFSZ, old_handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit old_limit_{};
  sighandler_t old_handler_;
};

// The limit of 40 KiB cuts the third piece (32 to 48 KiB) after 8 KiB: a real short write, continued at 40960, refused.
TEST_P(Faults, TheKernelCutsAWriteAtTheSizeLimit) {
  for (const bool direct : {true, false}) {
    AsyncFileOptions in_order = pieces_of_16_kib(1);
    in_order.try_direct = direct;
    const auto file = AsyncFile::create(folder.file("file"), 8 * kPiece, in_order);
    const AlignedBuffer out = filled(8 * kPiece, 9), in = filled(8 * kPiece, 1);
    {
      const FileSizeLimit limit(40 * kKiB);
      const Ticket write = file->write(0, out.data(), out.bytes());
      const std::string message = message_of<DeviceError>([&] { file->wait(write); });
      EXPECT_TRUE(begins_with(message, file->path() + ": writing 8192 bytes at offset 40960 failed: File too large ("))
          << message;
    }
    file->wait(file->read(0, in.data(), in.bytes()));
    EXPECT_EQ(in.data()[40 * kKiB - 1], std::byte{9});
    EXPECT_EQ(in.data()[40 * kKiB], std::byte{0});
  }
}

TEST_P(Faults, CreationBeyondTheSizeLimitLeavesNoFile) {
  const FileSizeLimit limit(40 * kKiB);
  const std::string path = folder.file("large");
  EXPECT_EQ(message_of<DeviceError>([&] { AsyncFile::create(path, 44 * kKiB, options()); }),
            path + ": reserving 45056 bytes failed: File too large");
  EXPECT_FALSE(std::filesystem::exists(path));
}

// Cut to 5000 bytes behind its back: the block from 4096 to 8192 is not whole any more, the next is not there.
TEST_P(Faults, AFileThatWasCutIsAnError) {
  const auto file = AsyncFile::create(folder.file("file"), 4 * kPiece, options());
  ASSERT_EQ(::truncate(file->path().c_str(), 5000), 0);
  const AlignedBuffer in = filled(8 * kKiB, 1);
  file->wait(file->read(0, in.data(), 4 * kKiB));
  EXPECT_EQ(in.data()[4 * kKiB - 1], std::byte{0});
  const Ticket cut = file->read(0, in.data(), 8 * kKiB), gone = file->read(kPiece, in.data(), 4 * kKiB);
  const std::string message = message_of<DeviceError>([&] { file->wait(cut); });
  EXPECT_NE(message.find(" failed: the file ends before"), std::string::npos) << message;
  EXPECT_EQ(message_of<DeviceError>([&] { file->wait(gone); }),
            file->path() + ": reading 4096 bytes at offset 16384 failed: the file ends before");
}

/// A disk of `bytes` in a mount namespace of this process; false where that is not permitted.
bool mount_tiny_disk(const std::string& folder, int64_t bytes) {
  const std::string size = "size=" + std::to_string(bytes);
  return ::unshare(CLONE_NEWNS) == 0 && ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         ::mount("tmpfs", folder.c_str(), "tmpfs", 0, size.c_str()) == 0;
}

// 128 KiB of disk: a file of 256 KiB does not fit. One of 96 KiB does, and a sparse one beside it finds the disk full
// after 32 KiB (8 pages, no page for anything else).
TEST_P(Faults, AFullDiskNamesNeededAndFreeBytes) {
  const TemporaryFolder disk;
  if (!mount_tiny_disk(disk.path(), 128 * kKiB)) GTEST_SKIP() << "mounting a tmpfs: " << std::strerror(errno);
  EXPECT_EQ(message_of<DeviceError>([&] { AsyncFile::create(disk.file("large"), 256 * kKiB, options()); }),
            disk.file("large") + ": reserving 262144 bytes failed: No space left on device (131072 bytes free)");
  EXPECT_TRUE(disk.empty());
  {
    const auto fits = AsyncFile::create(disk.file("fits"), 96 * kKiB, options());
    ASSERT_EQ(::close(::creat(disk.file("sparse").c_str(), 0600)), 0);
    ASSERT_EQ(::truncate(disk.file("sparse").c_str(), 64 * kKiB), 0);
    const auto sparse = AsyncFile::open(disk.file("sparse"), pieces_of_16_kib(1));
    const AlignedBuffer out = filled(64 * kKiB, 2);
    const Ticket write = sparse->write(0, out.data(), out.bytes());
    EXPECT_EQ(
        message_of<DeviceError>([&] { sparse->wait(write); }),
        disk.file("sparse") + ": writing 16384 bytes at offset 32768 failed: No space left on device (0 bytes free)");
  }
  ::umount(disk.path().c_str());
}

// A write that failed gives its block back: the next one may try again.
TEST_P(Faults, AFailedBlockMayBeWrittenAgain) {
  const auto fail_first = [](int64_t n, const Transfer&) { return Fault{.error = n == 0 ? ENOSPC : 0}; };
  BlockStore store(folder.path(), 2, kFileAlignment, with_faults(options(), fail_first));
  const AlignedBuffer out = filled(kFileAlignment, 3), in = filled(kFileAlignment, 0);
  const Ticket write = store.write(1, out.data());
  EXPECT_THROW(store.wait(write), DeviceError);
  store.wait(store.write(1, out.data()));
  store.wait(store.read(1, in.data()));
  EXPECT_EQ(std::memcmp(in.data(), out.data(), kFileAlignment), 0);
}

}  // namespace
}  // namespace moesaic::executor
