// Bulk data from one descriptor to another without passing through JavaScript.

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "util.h"

namespace crctl {
namespace {

// The kernel moves at most this much per call (MAX_RW_COUNT).
constexpr uint64_t kMaxChunk = 0x7ffff000;

// Copies [offset, offset + length) of `from` to the position of `to`. Returns what was copied: less at the end of
// the file. An errno in *err.
uint64_t Send(int from, int to, uint64_t offset, uint64_t length, int *err) {
  uint64_t done = 0;
  off_t position = static_cast<off_t>(offset);
  *err = 0;
  while (done < length) {
    ssize_t n = sendfile(to, from, &position, std::min(length - done, kMaxChunk));
    if (n < 0 && errno == EINTR) {
      if (CaughtSignal() == 0) continue;
    }
    if (n < 0) {
      *err = errno;
      break;
    }
    if (n == 0) break;
    done += static_cast<uint64_t>(n);
  }
  return done;
}

// copyRange(from, to, offset, length): bigint
Napi::Value copyRange(const Napi::CallbackInfo &info) {
  int err;
  uint64_t done = Send(info[0].As<Napi::Number>().Int32Value(), info[1].As<Napi::Number>().Int32Value(),
                       GetUint64(info[2]), GetUint64(info[3]), &err);
  if (err != 0) throw SystemError(info.Env(), err, "sendfile");
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
    int err;
    uint64_t done = Send(from, to, static_cast<uint64_t>(data), static_cast<uint64_t>(hole - data), &err);
    if (err != 0) throw SystemError(env, err, "sendfile");
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
