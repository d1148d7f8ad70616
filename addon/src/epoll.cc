// What an epoll instance watches, and what tells of events otherwise.

#include <linux/kcmp.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>

#include "util.h"

namespace crctl {
namespace {

// epollTarget(pid, { efd, tfd, nth }, pids, fds): number. The index of the first of the descriptors (pids[i], fds[i]) that leads to
// what the task's epoll instance `efd` watches as its `nth` target with the number `tfd`; -1: none.
Napi::Value epollTarget(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  int pid = info[0].As<Napi::Number>().Int32Value();
  auto target = info[1].As<Napi::Object>();
  auto number = [&](const char *name) { return target.Get(name).As<Napi::Number>().Uint32Value(); };
  kcmp_epoll_slot slot = {number("efd"), number("tfd"), number("nth")};
  auto pids = GetInts(info[2]), fds = GetInts(info[3]);
  for (size_t i = 0; i < pids.size() && i < fds.size(); i++) {
    long order = syscall(SYS_kcmp, pids[i], pid, KCMP_EPOLL_TFD, static_cast<unsigned long>(fds[i]), &slot);
    if (order < 0) throw SystemError(env, errno, "kcmp", std::to_string(pid));
    if (order == 0) return Napi::Number::New(env, static_cast<double>(i));
  }
  return Napi::Number::New(env, -1);
}
CRCTL_EXPORT(epollTarget);

// askTimer(fd): void. timerfd_gettime(2), by which a timer that has expired counts what has passed since, and is set for its next time.
Napi::Value askTimer(const Napi::CallbackInfo &info) {
  itimerspec value;
  if (timerfd_gettime(info[0].As<Napi::Number>().Int32Value(), &value) < 0) throw SystemError(info.Env(), errno, "timerfd_gettime");
  return info.Env().Undefined();
}
CRCTL_EXPORT(askTimer);

// isReadable(fd): boolean, whether poll(2) says POLLIN of it now.
Napi::Value isReadable(const Napi::CallbackInfo &info) {
  pollfd file = {};
  file.fd = info[0].As<Napi::Number>().Int32Value();
  file.events = POLLIN;
  if (poll(&file, 1, 0) < 0) throw SystemError(info.Env(), errno, "poll");
  return Napi::Boolean::New(info.Env(), (file.revents & POLLIN) != 0);
}
CRCTL_EXPORT(isReadable);

}  // namespace
}  // namespace crctl
