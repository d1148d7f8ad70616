// Bulk data from one descriptor to another without passing through JavaScript.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "util.h"

namespace crctl {
namespace {

// What one splice moves: as much as a pipe can be made to hold without privileges (/proc/sys/fs/pipe-max-size).
constexpr size_t kPipeBytes = 1 << 20;

// Whether a call that was cut short by a signal should be tried again.
bool Again(int err) { return err == EINTR && CaughtSignal() == 0; }

// Moves bytes from one file to another by a pipe, so that they are copied once, into the page cache of the target, and
// not at all on their way there. sendfile(2) does the same with a pipe of 64 KiB.
class Pump {
 public:
  // 0 or an errno
  int Open() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return errno;
    out_.reset(ends[0]);
    in_.reset(ends[1]);
    int size = fcntl(ends[1], F_SETPIPE_SZ, kPipeBytes);
    size_ = size > 0 ? static_cast<size_t>(size) : 65536;
    return 0;
  }

  // Copies [offset, offset + length) of `from` to the position of `to`. Returns what was copied: less at the end of the
  // file. An errno in *err.
  uint64_t Send(int from, int to, uint64_t offset, uint64_t length, int *err) {
    uint64_t done = 0;
    off64_t position = static_cast<off64_t>(offset);
    *err = 0;
    while (done < length) {
      ssize_t n = splice(from, &position, in_.get(), nullptr, std::min<uint64_t>(length - done, size_), SPLICE_F_MOVE);
      if (n < 0 && Again(errno)) continue;
      if (n < 0) *err = errno;
      if (n <= 0) break;
      *err = Drain(to, static_cast<size_t>(n));
      if (*err != 0) break;
      done += static_cast<uint64_t>(n);
    }
    return done;
  }

 private:
  int Drain(int to, size_t left) {
    while (left > 0) {
      ssize_t n = splice(out_.get(), nullptr, to, nullptr, left, SPLICE_F_MOVE);
      if (n < 0 && Again(errno)) continue;
      if (n <= 0) return n < 0 ? errno : EIO;
      left -= static_cast<size_t>(n);
    }
    return 0;
  }

  Descriptor in_, out_;
  size_t size_ = 0;
};

// reserve(fd, bytes): has the file system find room for that many bytes, which makes writing them faster. Only a favour: a
// file system that cannot, or has less room, says so again when it is written to.
Napi::Value reserve(const Napi::CallbackInfo &info) {
  int fd = info[0].As<Napi::Number>().Int32Value();
  if (fallocate(fd, 0, 0, static_cast<off_t>(GetUint64(info[1]))) != 0 && ftruncate(fd, 0) != 0) {
    throw SystemError(info.Env(), errno, "ftruncate");
  }
  return info.Env().Undefined();
}
CRCTL_EXPORT(reserve);

// copyRange(from, to, offset, length): bigint
Napi::Value copyRange(const Napi::CallbackInfo &info) {
  Pump pump;
  int err = pump.Open();
  if (err != 0) throw SystemError(info.Env(), err, "pipe2");
  uint64_t done = pump.Send(info[0].As<Napi::Number>().Int32Value(), info[1].As<Napi::Number>().Int32Value(),
                            GetUint64(info[2]), GetUint64(info[3]), &err);
  if (err != 0) throw SystemError(info.Env(), err, "splice");
  return ToBigInt(info.Env(), done);
}
CRCTL_EXPORT(copyRange);

// copySparse(from, to): { size, dataBytes }. `to` becomes as long as `from`, with holes where it has holes. Moves the
// position of `from`, which must therefore be a description of the caller's own.
Napi::Value copySparse(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  int from = info[0].As<Napi::Number>().Int32Value(), to = info[1].As<Napi::Number>().Int32Value();
  struct stat st;
  if (fstat(from, &st) != 0) throw SystemError(env, errno, "fstat");
  Pump pump;
  int err = pump.Open();
  if (err != 0) throw SystemError(env, err, "pipe2");
  off_t size = st.st_size, position = 0;
  uint64_t bytes = 0;
  if (ftruncate(to, size) != 0) throw SystemError(env, errno, "ftruncate");
  while (position < size) {
    off_t data = lseek(from, position, SEEK_DATA);
    if (data < 0 && errno == ENXIO) break;  // only a hole is left
    if (data < 0) throw SystemError(env, errno, "lseek(SEEK_DATA)");
    off_t hole = lseek(from, data, SEEK_HOLE);
    if (hole < 0) throw SystemError(env, errno, "lseek(SEEK_HOLE)");
    hole = std::min(hole, size);
    if (lseek(to, data, SEEK_SET) < 0) throw SystemError(env, errno, "lseek");
    uint64_t done = pump.Send(from, to, static_cast<uint64_t>(data), static_cast<uint64_t>(hole - data), &err);
    if (err != 0) throw SystemError(env, err, "splice");
    bytes += done;
    if (done < static_cast<uint64_t>(hole - data)) break;  // it became shorter meanwhile
    position = hole;
  }
  Napi::Object result = Napi::Object::New(env);
  result.Set("size", ToBigInt(env, static_cast<uint64_t>(size)));
  result.Set("dataBytes", ToBigInt(env, bytes));
  return result;
}
CRCTL_EXPORT(copySparse);

// sync(fds): everything on disk. Writing out is started for all before the first is waited for, so that the device
// sees one long queue and the journal one commit.
Napi::Value sync(const Napi::CallbackInfo &info) {
  auto fds = GetInts(info[0]);
  for (int fd : fds) sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
  for (int fd : fds) {
    // EINVAL: a file system without anything to sync, or a directory of one
    if (fsync(fd) != 0 && errno != EINVAL) throw SystemError(info.Env(), errno, "fsync");
  }
  return info.Env().Undefined();
}
CRCTL_EXPORT(sync);

}  // namespace
}  // namespace crctl
