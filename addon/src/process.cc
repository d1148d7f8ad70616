// What system calls tell about other tasks, and clocks.

#include <linux/kcmp.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <map>

#include "util.h"

namespace crctl {
namespace {

// glibc has no declaration of these on the oldest systems that we build on
struct SchedAttr {
  uint32_t size, policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime, deadline, period;
  uint32_t util_min, util_max;
};

constexpr int kIoprioWhoProcess = 1;

// The affinity mask in hex, lowest CPU last, without leading zeroes.
std::string Hex(const unsigned char *mask, size_t length) {
  static const char digits[] = "0123456789abcdef";
  std::string hex;
  for (size_t i = length; i-- > 0;) {
    hex += digits[mask[i] >> 4];
    hex += digits[mask[i] & 15];
  }
  size_t first = hex.find_first_not_of('0');
  return first == std::string::npos ? "0" : hex.substr(first);
}

// scheduling(tids: number[]): Sched[]
Napi::Value scheduling(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  auto tids = GetInts(info[0]);
  Napi::Array result = Napi::Array::New(env, tids.size());
  for (size_t i = 0; i < tids.size(); i++) {
    SchedAttr attr = {};
    std::string where = std::to_string(tids[i]);
    if (syscall(SYS_sched_getattr, tids[i], &attr, sizeof(attr), 0) != 0) {
      throw SystemError(env, errno, "sched_getattr", where);
    }
    unsigned char mask[1024];  // CPUs of the largest kernel: 8192
    long length = syscall(SYS_sched_getaffinity, tids[i], sizeof(mask), mask);
    if (length < 0) throw SystemError(env, errno, "sched_getaffinity", where);
    long ioprio = syscall(SYS_ioprio_get, kIoprioWhoProcess, tids[i]);
    if (ioprio < 0) throw SystemError(env, errno, "ioprio_get", where);
    Napi::Object object = Napi::Object::New(env);
    object.Set("policy", Napi::Number::New(env, attr.policy));
    object.Set("priority", Napi::Number::New(env, attr.priority));
    // sched_getattr(2) has no nice value of a real-time task, which keeps one all the same.
    object.Set("nice", Napi::Number::New(env, getpriority(PRIO_PROCESS, static_cast<id_t>(tids[i]))));
    object.Set("flags", ToBigInt(env, attr.flags));
    object.Set("runtime", ToBigInt(env, attr.runtime));
    object.Set("deadline", ToBigInt(env, attr.deadline));
    object.Set("period", ToBigInt(env, attr.period));
    object.Set("affinity", Napi::String::New(env, Hex(mask, static_cast<size_t>(length))));
    object.Set("ioprio", Napi::Number::New(env, static_cast<double>(ioprio)));
    result.Set(static_cast<uint32_t>(i), object);
  }
  return result;
}
CRCTL_EXPORT(scheduling);

// rlimits(pid: number): { soft, hard }[], in the kernel's order
Napi::Value rlimits(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  int pid = info[0].As<Napi::Number>().Int32Value();
  Napi::Array result = Napi::Array::New(env, RLIM_NLIMITS);
  for (int resource = 0; resource < RLIM_NLIMITS; resource++) {
    rlimit limit;
    if (prlimit(pid, static_cast<__rlimit_resource>(resource), nullptr, &limit) != 0) {
      throw SystemError(env, errno, "prlimit", std::to_string(pid));
    }
    Napi::Object object = Napi::Object::New(env);
    object.Set("soft", ToBigInt(env, limit.rlim_cur));
    object.Set("hard", ToBigInt(env, limit.rlim_max));
    result.Set(static_cast<uint32_t>(resource), object);
  }
  return result;
}
CRCTL_EXPORT(rlimits);

// kcmpFiles(pids: number[], fds: number[], buckets: number[]): number[]. For each descriptor the index of the first one
// that leads to the same open file description; only descriptors in the same bucket are compared. kcmp(2) orders
// descriptions, so n of them take n log n calls.
Napi::Value kcmpFiles(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  auto pids = GetInts(info[0]), fds = GetInts(info[1]), buckets = GetInts(info[2]);
  if (fds.size() != pids.size() || buckets.size() != pids.size()) {
    throw Napi::TypeError::New(env, "arrays of the same length expected");
  }
  std::map<int, std::vector<size_t>> sorted;  // by bucket: one index per description, in the order of kcmp
  Napi::Array result = Napi::Array::New(env, pids.size());
  for (size_t i = 0; i < pids.size(); i++) {
    auto &known = sorted[buckets[i]];
    size_t low = 0, high = known.size(), same = i;
    while (low < high) {
      size_t middle = (low + high) / 2, other = known[middle];
      long order = syscall(SYS_kcmp, pids[i], pids[other], KCMP_FILE, static_cast<unsigned long>(fds[i]),
                           static_cast<unsigned long>(fds[other]));
      if (order < 0) throw SystemError(env, errno, "kcmp", std::to_string(pids[i]));
      if (order == 0) {
        same = other;
        break;
      }
      if (order == 1) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    if (same == i) known.insert(known.begin() + static_cast<std::ptrdiff_t>(low), i);
    result.Set(static_cast<uint32_t>(i), Napi::Number::New(env, static_cast<double>(same)));
  }
  return result;
}
CRCTL_EXPORT(kcmpFiles);

// kcmp(pid1, pid2, type, idx1, idx2): number
Napi::Value kcmp(const Napi::CallbackInfo &info) {
  int numbers[5];
  for (size_t i = 0; i < 5; i++) numbers[i] = info[i].As<Napi::Number>().Int32Value();
  long order = syscall(SYS_kcmp, numbers[0], numbers[1], numbers[2], static_cast<unsigned long>(numbers[3]),
                       static_cast<unsigned long>(numbers[4]));
  if (order < 0) throw SystemError(info.Env(), errno, "kcmp", std::to_string(numbers[0]));
  return Napi::Number::New(info.Env(), static_cast<double>(order));
}
CRCTL_EXPORT(kcmp);

// pidfdOpen(pid: number, flags = 0): number
Napi::Value pidfdOpen(const Napi::CallbackInfo &info) {
  int pid = info[0].As<Napi::Number>().Int32Value();
  int flags = info[1].IsNumber() ? info[1].As<Napi::Number>().Int32Value() : 0;
  long fd = syscall(SYS_pidfd_open, pid, flags);
  if (fd < 0) throw SystemError(info.Env(), errno, "pidfd_open", std::to_string(pid));
  return Napi::Number::New(info.Env(), static_cast<double>(fd));
}
CRCTL_EXPORT(pidfdOpen);

// pidfdGetfd(task: number, fd: number): number. A descriptor of ours on the very description that the task, a pidfd, has open.
Napi::Value pidfdGetfd(const Napi::CallbackInfo &info) {
  int task = info[0].As<Napi::Number>().Int32Value(), fd = info[1].As<Napi::Number>().Int32Value();
  long copy = syscall(SYS_pidfd_getfd, task, fd, 0);
  if (copy < 0) throw SystemError(info.Env(), errno, "pidfd_getfd", std::to_string(fd));
  return Napi::Number::New(info.Env(), static_cast<double>(copy));
}
CRCTL_EXPORT(pidfdGetfd);

// sendSignal(pid: number, signal: number): void; signal 0 only asks whether the task is there
Napi::Value sendSignal(const Napi::CallbackInfo &info) {
  int pid = info[0].As<Napi::Number>().Int32Value();
  if (kill(pid, info[1].As<Napi::Number>().Int32Value()) != 0) {
    throw SystemError(info.Env(), errno, "kill", std::to_string(pid));
  }
  return info.Env().Undefined();
}
CRCTL_EXPORT(sendSignal);

Napi::Value ClockNs(Napi::Env env, clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return ToBigInt(env, static_cast<uint64_t>(now.tv_sec) * 1000000000ull + static_cast<uint64_t>(now.tv_nsec));
}

// clocks(): { realtime, monotonic, boottime }, ns
Napi::Value clocks(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  Napi::Object object = Napi::Object::New(env);
  object.Set("realtime", ClockNs(env, CLOCK_REALTIME));
  object.Set("monotonic", ClockNs(env, CLOCK_MONOTONIC));
  object.Set("boottime", ClockNs(env, CLOCK_BOOTTIME));
  return object;
}
CRCTL_EXPORT(clocks);

}  // namespace
}  // namespace crctl
