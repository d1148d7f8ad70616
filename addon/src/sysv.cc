// System V shared memory: what its file does not show, and its removal.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

#include <cerrno>

#include "util.h"

namespace crctl {
namespace {

constexpr uint64_t kPage = 4096;

// copyTail(from, to, size): bigint. A segment ends with a page, its file of `size` bytes does not: what is behind that, to
// the end of the page, is reached as memory only. `to` becomes as long as the segment. Returns that length.
Napi::Value copyTail(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  int from = info[0].As<Napi::Number>().Int32Value(), to = info[1].As<Napi::Number>().Int32Value();
  uint64_t size = GetUint64(info[2]), last = size & ~(kPage - 1), end = (size + kPage - 1) & ~(kPage - 1);
  if (ftruncate(to, static_cast<off_t>(end)) != 0) throw SystemError(env, errno, "ftruncate");
  // a page that is not there holds nothing, and looking at it would make one
  if (size == end || lseek(from, static_cast<off_t>(last), SEEK_DATA) < 0) return ToBigInt(env, end);
  void *page = mmap(nullptr, kPage, PROT_READ, MAP_SHARED, from, static_cast<off_t>(last));
  if (page == MAP_FAILED) throw SystemError(env, errno, "mmap");
  ssize_t tail = static_cast<ssize_t>(end - size);
  ssize_t written = pwrite(to, static_cast<char *>(page) + (size - last), static_cast<size_t>(tail), static_cast<off_t>(size));
  int err = errno;
  munmap(page, kPage);
  if (written != tail) throw SystemError(env, written < 0 ? err : EIO, "pwrite");
  return ToBigInt(env, end);
}
CRCTL_EXPORT(copyTail);

// removeSegment(id): shmctl(2), IPC_RMID; whether there was one that we could.
Napi::Value removeSegment(const Napi::CallbackInfo &info) {
  return Napi::Boolean::New(info.Env(), shmctl(info[0].As<Napi::Number>().Int32Value(), IPC_RMID, nullptr) == 0);
}
CRCTL_EXPORT(removeSegment);

}  // namespace
}  // namespace crctl
