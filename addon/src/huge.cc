// Files of huge pages. lseek(2) knows no holes in them, splice(2) and sendfile(2) do not read them, and a look at a hole through a
// mapping fills it with a page: what is there, the kernel module says, and that is all that is mapped.

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "crctl_ioctl.h"
#include "util.h"

namespace crctl {
namespace {

// What one write moves: between two of them a signal is noticed.
constexpr uint64_t kChunk = 64 << 20;

// hugePages(dump, fd): { runs: { start, end }[], reserved }. Runs are of pages that are there.
Napi::Value hugePages(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  Napi::Array runs = Napi::Array::New(env);
  crctl_huge_pages look{};
  uint32_t count = 0;
  do {
    look.fd = info[1].As<Napi::Number>().Int32Value();
    look.start = look.end;
    look.reserved = 0;
    look.end = 0;
    if (ioctl(info[0].As<Napi::Number>().Int32Value(), CRCTL_DUMP_HUGE_PAGES, &look) != 0) {
      throw SystemError(env, errno, "ioctl(CRCTL_DUMP_HUGE_PAGES)");
    }
    if (look.end == look.start) break;
    Napi::Object run = Napi::Object::New(env);
    run.Set("start", ToBigInt(env, look.start));
    run.Set("end", ToBigInt(env, look.end));
    runs.Set(count++, run);
  } while (true);
  Napi::Object result = Napi::Object::New(env);
  result.Set("runs", runs);
  result.Set("reserved", Napi::Boolean::New(env, look.reserved != 0));
  return result;
}
CRCTL_EXPORT(hugePages);

// 0 or an errno. `unsure`: the beginning of a page that the file ends within. Older kernels (5.10) let nobody see that one through a
// mapping, and so nothing was ever written to it.
int CopyRun(int from, int to, uint64_t start, uint64_t end, uint64_t unsure) {
  void *map = mmap(nullptr, end - start, PROT_READ, MAP_SHARED | MAP_NORESERVE, from, static_cast<off_t>(start));
  if (map == MAP_FAILED) return errno;
  int err = 0;
  for (uint64_t at = start; at < end && err == 0;) {
    ssize_t n = pwrite(to, static_cast<char *>(map) + (at - start), std::min(end - at, kChunk), static_cast<off_t>(at));
    if (n > 0) at += static_cast<uint64_t>(n);
    if (n == 0) err = EIO;
    if (n < 0 && errno == EFAULT && at >= unsure) break;
    if (n < 0 && errno != EINTR) err = errno;
    if (CaughtSignal() != 0) err = EINTR;
  }
  munmap(map, end - start);
  return err;
}

// copyHuge(from, to, size, runs): `to` gets that size, and these parts.
Napi::Value copyHuge(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  int from = info[0].As<Napi::Number>().Int32Value(), to = info[1].As<Napi::Number>().Int32Value();
  Napi::Array runs = info[3].As<Napi::Array>();
  struct stat st;
  if (fstat(from, &st) != 0) throw SystemError(env, errno, "fstat");
  uint64_t unsure = static_cast<uint64_t>(st.st_size - st.st_size % st.st_blksize);
  if (ftruncate(to, static_cast<off_t>(GetUint64(info[2]))) != 0) throw SystemError(env, errno, "ftruncate");
  for (uint32_t i = 0; i < runs.Length(); i++) {
    Napi::Object run = runs.Get(i).As<Napi::Object>();
    int err = CopyRun(from, to, GetUint64(run.Get("start")), GetUint64(run.Get("end")), unsure);
    if (err != 0) throw SystemError(env, err, "pwrite");
  }
  return env.Undefined();
}
CRCTL_EXPORT(copyHuge);

}  // namespace
}  // namespace crctl
