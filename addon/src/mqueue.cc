// POSIX message queues: what they tell of themselves, and their removal.

#include <fcntl.h>
#include <mqueue.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "util.h"

namespace crctl {
namespace {

// mqueueOpen(name): a descriptor for reading, or minus an errno. The kernel's names have no slash.
Napi::Value mqueueOpen(const Napi::CallbackInfo &info) {
  std::string name = info[0].As<Napi::String>().Utf8Value();
  long fd = syscall(SYS_mq_open, name.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0, nullptr);
  return Napi::Number::New(info.Env(), static_cast<double>(fd < 0 ? -errno : fd));
}
CRCTL_EXPORT(mqueueOpen);

// mqueueState(fd): {maxMessages, messageSize: bigint, messages, bytes?: bigint, notify?: SIGEV_*, notifyPid?}. Of a queue that
// is open for writing only the file, which tells the last three, cannot be read.
Napi::Value mqueueState(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  int fd = info[0].As<Napi::Number>().Int32Value();
  struct mq_attr attr;
  if (syscall(SYS_mq_getsetattr, fd, nullptr, &attr) < 0) throw SystemError(env, errno, "mq_getsetattr");
  Napi::Object result = Napi::Object::New(env);
  result.Set("maxMessages", ToBigInt(env, static_cast<uint64_t>(attr.mq_maxmsg)));
  result.Set("messageSize", ToBigInt(env, static_cast<uint64_t>(attr.mq_msgsize)));
  result.Set("messages", Napi::Number::New(env, static_cast<double>(attr.mq_curmsgs)));
  char text[128];
  ssize_t size = pread(fd, text, sizeof(text) - 1, 0);
  if (size < 0) {
    if (errno == EBADF) return result;
    throw SystemError(env, errno, "pread");
  }
  text[size] = '\0';
  unsigned long bytes;
  int notify, signal, pid;
  if (sscanf(text, "QSIZE:%lu NOTIFY:%d SIGNO:%d NOTIFY_PID:%d", &bytes, &notify, &signal, &pid) != 4) return result;
  result.Set("bytes", ToBigInt(env, bytes));
  result.Set("notify", Napi::Number::New(env, notify));
  result.Set("notifyPid", Napi::Number::New(env, pid));
  return result;
}
CRCTL_EXPORT(mqueueState);

// removeMqueue(name, ino): whether the queue of that name was the one with that inode number, and we could remove it.
Napi::Value removeMqueue(const Napi::CallbackInfo &info) {
  std::string name = info[0].As<Napi::String>().Utf8Value();
  Descriptor queue(static_cast<int>(syscall(SYS_mq_open, name.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0, nullptr)));
  struct stat st;
  bool removed = queue.get() >= 0 && fstat(queue.get(), &st) == 0 && st.st_ino == GetUint64(info[1]) &&
                 syscall(SYS_mq_unlink, name.c_str()) == 0;
  return Napi::Boolean::New(info.Env(), removed);
}
CRCTL_EXPORT(removeMqueue);

}  // namespace
}  // namespace crctl
