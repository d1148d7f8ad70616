// Freezing a tree of tasks, and letting it go.
//
// PTRACE_SEIZE and PTRACE_INTERRUPT stop a task without a signal that it or its parent could see; the kernel lets it
// go when its tracer dies. All of it happens on one thread, as ptrace(2) demands: these calls are synchronous.

#include <dirent.h>
#include <linux/filter.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <set>

#include "util.h"

namespace crctl {
namespace {

struct Thread {
  pid_t tid;
  bool stopped = false;
};

struct Task {
  pid_t pid = 0;
  pid_t parent = 0;
  bool zombie = false;
  bool group_stopped = false;
  std::vector<Thread> threads;
};

// Why a freeze cannot go on; becomes an Error with these fields.
struct Failure {
  const char *reason;  // "traced", "permission", "vanished", "timeout", "interrupted", "proc"
  int err;
  pid_t pid, tid;
};

std::string Field(const std::string &status, const char *name) {
  size_t at = status.find(name);
  if (at == std::string::npos) return "";
  at += strlen(name);
  size_t end = status.find('\n', at);
  size_t start = status.find_first_not_of(" \t", at);
  return start == std::string::npos || start > end ? "" : status.substr(start, end - start);
}

void Sleep(long ns) {
  timespec time = {0, ns};
  nanosleep(&time, nullptr);
}

// How long threads that were told to stop are waited for, all together, to be let go again.
constexpr uint64_t kReleaseNs = 500000000;

class Freezer {
 public:
  // `watch` is told, by true, of each task that stands still, and by false before it is touched. It may throw.
  using Watch = std::function<void(bool stopped)>;

  Freezer(pid_t root, uint64_t timeout_ns, Watch watch = nullptr) : root_(root), timeout_ns_(timeout_ns), watch_(watch) {}

  // Throws a Failure, a Shortage, or what the watch threw, after letting everything go.
  void Run() {
    try {
      since_ns_ = MonotonicNs();
      Add(root_, 0);
      // A frozen task forks no more, but an unfrozen child may end and leave its own children to a subreaper among the
      // frozen: only a pass over all that finds nothing new ends the search.
      size_t frozen = 0, before;
      do {
        while (frozen < tasks_.size()) frozen = FreezeFrom(frozen);
        if (tasks_[0].zombie) throw Failure{"vanished", ESRCH, root_, root_};
        before = tasks_.size();
        for (size_t i = 0; i < before; i++) AddChildren(i);
      } while (tasks_.size() > before);
    } catch (...) {
      Release();
      throw;
    }
  }

  // Only looks.
  void List() {
    Add(root_, 0);
    for (size_t i = 0; i < tasks_.size(); i++) {
      for (pid_t tid : Tids(tasks_[i].pid)) {
        if (tid != tasks_[i].pid || strchr("ZX", StateOf(tid)) == nullptr) tasks_[i].threads.push_back({tid});
      }
      tasks_[i].zombie = tasks_[i].threads.empty();
      try {
        AddChildren(i);
      } catch (const Failure &) {
        // it has ended
      }
    }
  }

  void Release() {
    for (Task &task : tasks_) {
      for (Thread &thread : task.threads) {
        if (thread.stopped) ptrace(PTRACE_DETACH, thread.tid, 0, 0);
      }
    }
    // One that has not stopped yet cannot be detached. It goes on by itself, and is let go when we exit at the latest.
    uint64_t deadline = MonotonicNs() + kReleaseNs;
    for (Task &task : tasks_) {
      for (Thread &thread : task.threads) {
        if (thread.stopped) continue;
        WaitFor(task, thread, deadline, false);
        if (thread.stopped) ptrace(PTRACE_DETACH, thread.tid, 0, 0);
      }
    }
  }

  const std::vector<Task> &tasks() const { return tasks_; }
  uint64_t since_ns() const { return since_ns_; }

 private:
  void Add(pid_t pid, pid_t parent) {
    if (!seen_.insert(pid).second) return;
    Task task;
    task.pid = pid;
    task.parent = parent;
    tasks_.push_back(task);
  }

  // Seizes and stops all tasks from `first` on, then adds their children. Returns the first that is not frozen yet.
  size_t FreezeFrom(size_t first) {
    size_t end = tasks_.size();
    for (size_t i = first; i < end; i++) {
      if (watch_) watch_(false);
      Seize(tasks_[i]);
    }
    uint64_t deadline = MonotonicNs() + timeout_ns_;
    for (size_t i = first; i < end; i++) {
      do {
        Task &task = tasks_[i];
        for (Thread &thread : task.threads) {
          if (!thread.stopped) WaitFor(task, thread, deadline, true);
        }
        Prune(task);
      } while (Seize(tasks_[i]));  // threads that were started before their siblings stopped
      if (watch_) watch_(true);
    }
    for (size_t i = first; i < end; i++) AddChildren(i);
    return end;
  }

  // Seizes what is listed in task/ and not ours yet; true if there was something.
  bool Seize(Task &task) {
    if (task.zombie) return false;
    std::vector<pid_t> tids = Tids(task.pid);
    bool more = false, live = false;
    for (pid_t tid : tids) {
      auto same = [tid](const Thread &thread) { return thread.tid == tid; };
      if (std::any_of(task.threads.begin(), task.threads.end(), same)) {
        live = true;
        continue;
      }
      if (ptrace(PTRACE_SEIZE, tid, 0, 0) != 0) {
        if (errno == ESRCH || Refused(task.pid, tid, errno)) continue;
      }
      ptrace(PTRACE_INTERRUPT, tid, 0, 0);
      task.threads.push_back({tid});
      more = live = true;
    }
    // the leader may be a zombie of a group that lives
    if (!live) task.zombie = true;
    return more;
  }

  // PTRACE_SEIZE was refused: true if the thread has exited, which is no reason to fail.
  bool Refused(pid_t pid, pid_t tid, int err) {
    std::string status;
    if (ReadWhole(("/proc/" + std::to_string(tid) + "/status").c_str(), status) != 0) return true;
    std::string state = Field(status, "\nState:"), tracer = Field(status, "\nTracerPid:");
    if (!state.empty() && (state[0] == 'Z' || state[0] == 'X')) return true;
    throw Failure{tracer != "0" && !tracer.empty() ? "traced" : "permission", err, pid, tid};
  }

  // Waits until the thread is in a stop of ours, or gone (then its tid becomes 0).
  void WaitFor(Task &task, Thread &thread, uint64_t deadline, bool interruptible) {
    long pause = 5000;
    for (;;) {
      int status;
      pid_t pid = waitpid(thread.tid, &status, __WALL | WNOHANG);
      if (pid < 0 && errno == EINTR) continue;
      if (pid < 0 || (pid > 0 && (WIFEXITED(status) || WIFSIGNALED(status)))) {
        thread.tid = 0;
        return;
      }
      if (pid > 0 && WIFSTOPPED(status)) {
        if ((status >> 16) == PTRACE_EVENT_STOP) {
          thread.stopped = true;
          if (WSTOPSIG(status) != SIGTRAP) task.group_stopped = true;
          return;
        }
        // A signal came first. It goes on its way: the task enters its handler and stops before the first
        // instruction of it. (Any stop clears the pending interrupt, hence a new one.)
        ptrace(PTRACE_INTERRUPT, thread.tid, 0, 0);
        int signal = (status >> 16) == 0 ? WSTOPSIG(status) : 0;
        ptrace(PTRACE_CONT, thread.tid, 0, static_cast<long>(signal));
        continue;
      }
      if (interruptible && CaughtSignal() != 0) throw Failure{"interrupted", EINTR, task.pid, thread.tid};
      if (MonotonicNs() >= deadline) {
        if (!interruptible) return;
        throw Failure{"timeout", ETIMEDOUT, task.pid, thread.tid};
      }
      Sleep(pause);
      pause = std::min(pause * 2, 1000000l);
    }
  }

  void Prune(Task &task) {
    auto gone = [](const Thread &thread) { return thread.tid == 0; };
    task.threads.erase(std::remove_if(task.threads.begin(), task.threads.end(), gone), task.threads.end());
  }

  void AddChildren(size_t index) {
    if (tasks_[index].zombie) return;
    pid_t pid = tasks_[index].pid;
    std::string base = "/proc/" + std::to_string(pid) + "/task/";
    for (const Thread &thread : std::vector<Thread>(tasks_[index].threads)) {
      std::string list;
      int err = ReadWhole((base + std::to_string(thread.tid) + "/children").c_str(), list);
      if (err != 0) throw Failure{err == ENOENT && Alive(thread.tid) ? "proc" : "vanished", err, pid, thread.tid};
      for (const char *at = list.c_str();;) {
        char *end;
        long child = strtol(at, &end, 10);
        if (end == at) break;
        Add(static_cast<pid_t>(child), pid);
        at = end;
      }
    }
  }

  static bool Alive(pid_t tid) { return access(("/proc/" + std::to_string(tid) + "/stat").c_str(), F_OK) == 0; }

  static std::vector<pid_t> Tids(pid_t pid);

  pid_t root_;
  uint64_t timeout_ns_;
  Watch watch_;
  uint64_t since_ns_ = 0;
  std::vector<Task> tasks_;
  std::set<pid_t> seen_;
};

std::vector<pid_t> Freezer::Tids(pid_t pid) {
  std::vector<pid_t> tids;
  std::string path = "/proc/" + std::to_string(pid) + "/task";
  DIR *dir = opendir(path.c_str());
  if (dir == nullptr) {
    CheckShortage(errno, "opendir", path);
    return tids;
  }
  while (dirent *entry = readdir(dir)) {
    int tid = atoi(entry->d_name);
    if (tid > 0) tids.push_back(tid);
  }
  closedir(dir);
  return tids;
}

Napi::Error FreezeError(Napi::Env env, const Failure &failure) {
  Napi::Error error = SystemError(env, failure.err, "freeze", std::to_string(failure.tid));
  error.Set("reason", Napi::String::New(env, failure.reason));
  error.Set("pid", Napi::Number::New(env, failure.pid));
  error.Set("tid", Napi::Number::New(env, failure.tid));
  return error;
}

Napi::Array ToArray(Napi::Env env, const std::vector<Task> &list) {
  Napi::Array tasks = Napi::Array::New(env, list.size());
  uint32_t count = 0;
  for (const Task &task : list) {
    Napi::Array threads = Napi::Array::New(env, task.threads.size());
    uint32_t index = 0;
    for (const Thread &thread : task.threads) threads.Set(index++, Napi::Number::New(env, thread.tid));
    Napi::Object object = Napi::Object::New(env);
    object.Set("pid", Napi::Number::New(env, task.pid));
    object.Set("ppid", Napi::Number::New(env, task.parent));
    object.Set("zombie", Napi::Boolean::New(env, task.zombie));
    object.Set("stopped", Napi::Boolean::New(env, task.group_stopped));
    object.Set("threads", threads);
    tasks.Set(count++, object);
  }
  return tasks;
}

// freezeTree(root: number, timeoutMs: number, watch?: (stopped: boolean) => void): { sinceNs, tasks: { pid, ppid, zombie, stopped, threads }[] }. Parents come
// before their children. If it throws, everything runs again.
Napi::Value freezeTree(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  Freezer::Watch watch;
  if (info[2].IsFunction()) {
    watch = [&info, env](bool stopped) { info[2].As<Napi::Function>().Call({Napi::Boolean::New(env, stopped)}); };
  }
  Freezer freezer(info[0].As<Napi::Number>().Int32Value(),
                  static_cast<uint64_t>(info[1].As<Napi::Number>().Int64Value()) * 1000000ull, watch);
  try {
    freezer.Run();
  } catch (const Failure &failure) {
    throw FreezeError(env, failure);
  }
  Napi::Object result = Napi::Object::New(env);
  result.Set("sinceNs", ToBigInt(env, freezer.since_ns()));
  result.Set("tasks", ToArray(env, freezer.tasks()));
  return result;
}
CRCTL_EXPORT(freezeTree);

// listTree(root: number): FrozenTask[], as freezeTree() would find it, but without stopping anything: who comes or goes
// meanwhile may be missing.
Napi::Value listTree(const Napi::CallbackInfo &info) {
  Freezer lister(info[0].As<Napi::Number>().Int32Value(), 0);
  lister.List();
  return ToArray(info.Env(), lister.tasks());
}
CRCTL_EXPORT(listTree);

// thaw(tids: number[]): bigint, the time in ns. Tasks that were stopped by a signal stay so.
Napi::Value thaw(const Napi::CallbackInfo &info) {
  for (int tid : GetInts(info[0])) ptrace(PTRACE_DETACH, tid, 0, 0);
  return ToBigInt(info.Env(), MonotonicNs());
}
CRCTL_EXPORT(thaw);

// stopAndThaw(pids, tids, timeoutMs): bigint, the time in ns. Each task gets a SIGSTOP before it is let go: none runs an
// instruction of its own. Waits until their threads are stopped.
Napi::Value stopAndThaw(const Napi::CallbackInfo &info) {
  auto tids = GetInts(info[1]);
  for (int pid : GetInts(info[0])) kill(pid, SIGSTOP);
  for (int tid : tids) ptrace(PTRACE_DETACH, tid, 0, 0);
  uint64_t now = MonotonicNs();
  uint64_t deadline = now + static_cast<uint64_t>(info[2].As<Napi::Number>().Int64Value()) * 1000000ull;
  for (int tid : tids) {
    while (strchr("TZX", StateOf(tid)) == nullptr && MonotonicNs() < deadline) Sleep(100000);
  }
  return ToBigInt(info.Env(), now);
}
CRCTL_EXPORT(stopAndThaw);

// killFrozen(pids, tids, timeoutMs): number[]. Ends the tree, the root first among pids, and waits until its ids are free,
// as far as that is up to the kernel. Returns the ids that are still taken: a zombie that its parent has not waited for.
Napi::Value killFrozen(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  auto pids = GetInts(info[0]), tids = GetInts(info[1]);
  if (pids.empty()) return Napi::Array::New(env);
  const int root = pids.front();
  uint64_t deadline = MonotonicNs() + static_cast<uint64_t>(info[2].As<Napi::Number>().Int64Value()) * 1000000ull;
  for (int pid : pids) kill(pid, SIGKILL);
  // The tracer is told of each thread's end before its parent is, and of the first thread's end last of all.
  auto ended = [](int tid) {
    int status;
    pid_t pid = waitpid(tid, &status, __WALL | WNOHANG);
    return (pid < 0 && errno != EINTR) || (pid > 0 && (WIFEXITED(status) || WIFSIGNALED(status)));
  };
  long pause = 5000;
  for (;;) {
    tids.erase(std::remove_if(tids.begin(), tids.end(), ended), tids.end());
    if (tids.empty() || MonotonicNs() >= deadline) break;
    Sleep(pause);
    pause = std::min(pause * 2, 1000000l);
  }
  pause = 5000;
  for (;;) {
    pids.erase(std::remove_if(pids.begin(), pids.end(), [](int pid) { return kill(pid, 0) != 0 && errno == ESRCH; }),
               pids.end());
    bool done = pids.empty() || (pids.size() == 1 && pids.front() == root);  // the root is its parent's to wait for
    if (done || MonotonicNs() >= deadline) break;
    Sleep(pause);
    pause = std::min(pause * 2, 1000000l);
  }
  Napi::Array left = Napi::Array::New(env, pids.size());
  for (size_t i = 0; i < pids.size(); i++) left.Set(static_cast<uint32_t>(i), Napi::Number::New(env, pids[i]));
  return left;
}
CRCTL_EXPORT(killFrozen);

// seccompFilters(tid: number): { flags, insns }[] of a frozen thread, oldest first; insns is an array of struct
// sock_filter.
Napi::Value seccompFilters(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  pid_t tid = info[0].As<Napi::Number>().Int32Value();
  std::vector<Napi::Object> filters;
  // The kernel counts from the oldest (get_nth_filter(), kernel/seccomp.c), whatever ptrace(2) says.
  for (unsigned long index = 0;; index++) {
    long count = ptrace(static_cast<__ptrace_request>(PTRACE_SECCOMP_GET_FILTER), tid, index, nullptr);
    if (count < 0 && errno == ENOENT) break;
    if (count < 0) throw SystemError(env, errno, "ptrace(PTRACE_SECCOMP_GET_FILTER)", std::to_string(tid));
    std::vector<sock_filter> insns(static_cast<size_t>(count));
    if (ptrace(static_cast<__ptrace_request>(PTRACE_SECCOMP_GET_FILTER), tid, index, insns.data()) < 0) {
      throw SystemError(env, errno, "ptrace(PTRACE_SECCOMP_GET_FILTER)", std::to_string(tid));
    }
    struct {
      uint64_t filter_off, flags;
    } metadata = {index, 0};
    if (ptrace(static_cast<__ptrace_request>(PTRACE_SECCOMP_GET_METADATA), tid, sizeof(metadata), &metadata) < 0) {
      throw SystemError(env, errno, "ptrace(PTRACE_SECCOMP_GET_METADATA)", std::to_string(tid));
    }
    Napi::Object object = Napi::Object::New(env);
    object.Set("flags", Napi::Number::New(env, static_cast<double>(metadata.flags)));
    object.Set("insns", Napi::Buffer<char>::Copy(env, reinterpret_cast<char *>(insns.data()),
                                                  insns.size() * sizeof(sock_filter)));
    filters.push_back(object);
  }
  Napi::Array result = Napi::Array::New(env, filters.size());
  for (size_t i = 0; i < filters.size(); i++) result.Set(static_cast<uint32_t>(i), filters[i]);
  return result;
}
CRCTL_EXPORT(seccompFilters);

}  // namespace
}  // namespace crctl
