// What an open /proc/<pid>/dump can be asked to do: see kmod/crctl_ioctl.h.

#include <sys/ioctl.h>

#include <cerrno>

#include "crctl_ioctl.h"
#include "util.h"

namespace crctl {
namespace {

uint64_t Ask(const Napi::CallbackInfo &info, unsigned long request, const char *name) {
  crctl_shared_pages shared{};
  shared.fd = info[1].As<Napi::Number>().Int32Value();
  if (ioctl(info[0].As<Napi::Number>().Int32Value(), request, &shared) != 0) throw SystemError(info.Env(), errno, name);
  return shared.pages;
}

// countShared(dump, other): bigint. How many pages of private memory are the same ones in both.
Napi::Value countShared(const Napi::CallbackInfo &info) {
  return ToBigInt(info.Env(), Ask(info, CRCTL_DUMP_COUNT_SHARED, "ioctl(CRCTL_DUMP_COUNT_SHARED)"));
}
CRCTL_EXPORT(countShared);

// leaveOut(dump, other): bigint. As many are not in the first of the two images any more.
Napi::Value leaveOut(const Napi::CallbackInfo &info) {
  return ToBigInt(info.Env(), Ask(info, CRCTL_DUMP_LEAVE_OUT, "ioctl(CRCTL_DUMP_LEAVE_OUT)"));
}
CRCTL_EXPORT(leaveOut);

// dumpedFile(dump, fd): number. A descriptor of ours on the very description that the process of the dump has open.
Napi::Value dumpedFile(const Napi::CallbackInfo &info) {
  int fd = info[1].As<Napi::Number>().Int32Value();
  int own = ioctl(info[0].As<Napi::Number>().Int32Value(), CRCTL_DUMP_GET_FILE, static_cast<unsigned long>(fd));
  if (own < 0) throw SystemError(info.Env(), errno, "ioctl(CRCTL_DUMP_GET_FILE)", std::to_string(fd));
  return Napi::Number::New(info.Env(), own);
}
CRCTL_EXPORT(dumpedFile);

}  // namespace
}  // namespace crctl
