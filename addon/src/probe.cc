// Calls that are made only to see what the kernel answers. None of them changes anything outside of this process.

#include <linux/sched.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "util.h"

namespace crctl {
namespace {

Napi::Value Answer(const Napi::CallbackInfo &info, long result) {
  return Napi::Number::New(info.Env(), static_cast<double>(result < 0 ? -errno : result));
}

// tryClone(pid: number): errno, of clone3(2) that asks for this id. One that is impossible or taken starts nothing.
Napi::Value tryClone(const Napi::CallbackInfo &info) {
  pid_t ids[1] = {info[0].As<Napi::Number>().Int32Value()};
  clone_args args = {};
  args.set_tid = reinterpret_cast<uint64_t>(ids);
  args.set_tid_size = 1;
  long pid = syscall(SYS_clone3, &args, sizeof(args));
  if (pid == 0) _exit(1);
  if (pid > 0) waitpid(static_cast<pid_t>(pid), nullptr, __WALL);
  return Answer(info, pid);
}
CRCTL_EXPORT(tryClone);

// tryOption(fd, level, name, value): errno, of setsockopt(2) with a number
Napi::Value tryOption(const Napi::CallbackInfo &info) {
  int numbers[4];
  for (size_t i = 0; i < 4; i++) numbers[i] = info[i].As<Napi::Number>().Int32Value();
  return Answer(info, setsockopt(numbers[0], numbers[1], numbers[2], &numbers[3], sizeof(int)));
}
CRCTL_EXPORT(tryOption);

// trySyscall(number: number): errno, of a system call all of whose arguments are impossible (-1)
Napi::Value trySyscall(const Napi::CallbackInfo &info) {
  return Answer(info, syscall(info[0].As<Napi::Number>().Int32Value(), -1L, -1L, -1L, -1L, -1L, -1L));
}
CRCTL_EXPORT(trySyscall);

// newEventfd(): number
Napi::Value newEventfd(const Napi::CallbackInfo &info) {
  int fd = eventfd(0, EFD_CLOEXEC);
  if (fd < 0) throw SystemError(info.Env(), errno, "eventfd");
  return Napi::Number::New(info.Env(), fd);
}
CRCTL_EXPORT(newEventfd);

// struct pidfd_info in its first size, and PIDFD_GET_INFO, of Linux 6.13; PIDFD_INFO_EXIT is of 6.15
struct PidfdInfo {
  uint64_t mask, cgroupid;
  uint32_t ids[11];
  int32_t exit_code;
};
constexpr uint64_t kInfoExit = 1 << 3;

// pidfdTellsExit(): boolean, whether a pidfd tells the exit status of a process that has been waited for
Napi::Value pidfdTellsExit(const Napi::CallbackInfo &info) {
  int fd = -1;
  clone_args args = {};
  args.flags = CLONE_PIDFD;
  args.pidfd = reinterpret_cast<uint64_t>(&fd);
  // without exit signal: nobody is told
  long pid = syscall(SYS_clone3, &args, sizeof(args));
  if (pid == 0) _exit(0);
  if (pid < 0) throw SystemError(info.Env(), errno, "clone3");
  Descriptor owner(fd);
  while (waitpid(static_cast<pid_t>(pid), nullptr, __WALL) < 0 && errno == EINTR) continue;
  PidfdInfo answer = {};
  answer.mask = kInfoExit;
  bool told = ioctl(fd, _IOWR(0xFF, 11, PidfdInfo), &answer) == 0 && (answer.mask & kInfoExit) != 0;
  return Napi::Boolean::New(info.Env(), told);
}
CRCTL_EXPORT(pidfdTellsExit);

}  // namespace
}  // namespace crctl
