// What a restore needs besides the executor: what this machine has, and the executor as a child.
//
// Not through node:child_process: loading that and its first spawn take longer than the restore of a small tree.

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "util.h"

namespace crctl {
namespace {

// xfeatures(): bigint, XCR0: the register states that this CPU and kernel keep
Napi::Value xfeatures(const Napi::CallbackInfo &info) {
  uint32_t eax = 1, ebx, ecx = 0, edx;
  asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
  if ((ecx & (1u << 27)) == 0) return ToBigInt(info.Env(), 3);  // no OSXSAVE: x87 and SSE
  asm volatile("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
  return ToBigInt(info.Env(), (static_cast<uint64_t>(edx) << 32) | eax);
}
CRCTL_EXPORT(xfeatures);

// pidsInUse(pids: number[]): number[], those that are the id of a process or thread, or of a group that lives on
Napi::Value pidsInUse(const Napi::CallbackInfo &info) {
  Napi::Array result = Napi::Array::New(info.Env());
  uint32_t count = 0;
  for (int32_t pid : GetInts(info[0])) {
    bool used = pid > 1 ? kill(pid, 0) == 0 || errno != ESRCH || kill(-pid, 0) == 0 || errno != ESRCH : pid == 1;
    if (used) result.Set(count++, pid);
  }
  return result;
}
CRCTL_EXPORT(pidsInUse);

// processGroup(): number
Napi::Value processGroup(const Napi::CallbackInfo &info) { return Napi::Number::New(info.Env(), getpgrp()); }
CRCTL_EXPORT(processGroup);

// startExecutor(path, fds: number[]): { pid, status }. fds[i] becomes descriptor i; in place of -1 it gets the write
// end of a pipe, whose read end is `status`.
Napi::Value startExecutor(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  std::string path = info[0].As<Napi::String>().Utf8Value();
  std::vector<int32_t> fds = GetInts(info[1]);
  int status[2];
  if (pipe2(status, O_CLOEXEC) < 0) throw SystemError(env, errno, "pipe2");
  Descriptor reader(status[0]), writer(status[1]);

  // Copies above the targets: a target may be the number of a source that comes later.
  std::vector<int> sources;
  auto close_sources = [&] {
    for (int fd : sources) close(fd);
  };
  for (int32_t fd : fds) {
    int copy = fcntl(fd < 0 ? writer.get() : fd, F_DUPFD_CLOEXEC, static_cast<int>(fds.size()));
    if (copy < 0) {
      int err = errno;
      close_sources();
      throw SystemError(env, err, "fcntl");
    }
    sources.push_back(copy);
  }

  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  for (size_t i = 0; i < sources.size(); i++) posix_spawn_file_actions_adddup2(&actions, sources[i], static_cast<int>(i));
  sigset_t all;
  sigfillset(&all);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  char *argv[] = {path.data(), nullptr};
  char *envp[] = {nullptr};
  pid_t pid;
  int err = posix_spawn(&pid, path.c_str(), &actions, &attributes, argv, envp);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  close_sources();
  if (err != 0) throw SystemError(env, err, "posix_spawn", path);

  Napi::Object result = Napi::Object::New(env);
  result.Set("pid", Napi::Number::New(env, pid));
  result.Set("status", Napi::Number::New(env, reader.release()));
  return result;
}
CRCTL_EXPORT(startExecutor);

// readStatus(fd, timeoutMs): string, or undefined at the end of file. Empty after the time, and after a signal.
Napi::Value readStatus(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  pollfd poller = {info[0].As<Napi::Number>().Int32Value(), POLLIN, 0};
  char buffer[4096];
  int n = poll(&poller, 1, info[1].As<Napi::Number>().Int32Value());
  if (n < 0 && errno != EINTR) throw SystemError(env, errno, "poll");
  if (n <= 0) return Napi::String::New(env, "");
  ssize_t length = read(poller.fd, buffer, sizeof(buffer));
  if (length < 0 && errno != EINTR) throw SystemError(env, errno, "read");
  if (length == 0) return env.Undefined();
  return ToString(env, buffer, length > 0 ? static_cast<size_t>(length) : 0);
}
CRCTL_EXPORT(readStatus);

// waitChild(pid): number, its wait status
Napi::Value waitChild(const Napi::CallbackInfo &info) {
  pid_t pid = info[0].As<Napi::Number>().Int32Value();
  int status;
  while (waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) throw SystemError(info.Env(), errno, "waitpid");
  }
  return Napi::Number::New(info.Env(), status);
}
CRCTL_EXPORT(waitChild);

volatile pid_t pass_to;
volatile bool same_group;

void Pass(int signal, siginfo_t *info, void *) {
  int err = errno;
  // What a terminal sends goes to the whole group, and so reached the other one too.
  if (!(info->si_code == SI_KERNEL && same_group)) kill(pass_to, signal);
  errno = err;
}

// passSignals(pid, sameGroup): from now on what ends, stops or informs us goes to that process instead.
Napi::Value passSignals(const Napi::CallbackInfo &info) {
  pass_to = info[0].As<Napi::Number>().Int32Value();
  same_group = info[1].As<Napi::Boolean>().Value();
  for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT}) {
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_sigaction = Pass;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    sigaction(signal, &action, nullptr);
  }
  // one that came while the tree was not there yet
  if (CaughtSignal() != 0) kill(pass_to, CaughtSignal());
  return info.Env().Undefined();
}
CRCTL_EXPORT(passSignals);

}  // namespace
}  // namespace crctl
