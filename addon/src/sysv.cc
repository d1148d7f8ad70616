// System V objects: what is in semaphores and message queues, what the file of a segment does not show, and their removal.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "util.h"

#ifndef MSG_COPY
#define MSG_COPY 040000
#endif

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

// removeSysv(kind, id): whether there was one that we could remove; kind as the executor has it.
Napi::Value removeSysv(const Napi::CallbackInfo &info) {
  std::string kind = info[0].As<Napi::String>().Utf8Value();
  int id = info[1].As<Napi::Number>().Int32Value();
  int ret = kind == "segment"      ? shmctl(id, IPC_RMID, nullptr)
            : kind == "semaphores" ? semctl(id, 0, IPC_RMID)
            : kind == "queue"      ? msgctl(id, IPC_RMID, nullptr)
                                   : -1;
  return Napi::Boolean::New(info.Env(), ret == 0);
}
CRCTL_EXPORT(removeSysv);

// semaphores(id, count): {values: number[], pids: number[], sleepers: boolean}, or minus an errno: semctl(2), GETALL, GETPID,
// GETNCNT and GETZCNT.
Napi::Value semaphores(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  int id = info[0].As<Napi::Number>().Int32Value();
  uint32_t count = info[1].As<Napi::Number>().Uint32Value();
  std::vector<unsigned short> now(count);
  struct semid_ds set;
  // as many as the caller has seen: GETALL asks nobody how many there is room for
  if (semctl(id, 0, IPC_STAT, &set) < 0) return Napi::Number::New(env, -errno);
  if (set.sem_nsems != count) return Napi::Number::New(env, -EIDRM);
  if (semctl(id, 0, GETALL, now.data()) < 0) return Napi::Number::New(env, -errno);
  Napi::Array values = Napi::Array::New(env, count), pids = Napi::Array::New(env, count);
  bool sleepers = false;
  for (uint32_t i = 0; i < count; i++) {
    int pid = semctl(id, static_cast<int>(i), GETPID), more = semctl(id, static_cast<int>(i), GETNCNT);
    int zero = semctl(id, static_cast<int>(i), GETZCNT);
    if (pid < 0 || more < 0 || zero < 0) return Napi::Number::New(env, -errno);
    values.Set(i, Napi::Number::New(env, now[i]));
    pids.Set(i, Napi::Number::New(env, pid));
    sleepers = sleepers || more > 0 || zero > 0;
  }
  Napi::Object result = Napi::Object::New(env);
  result.Set("values", values);
  result.Set("pids", pids);
  result.Set("sleepers", Napi::Boolean::New(env, sleepers));
  return result;
}
CRCTL_EXPORT(semaphores);

// messageQueue(id): {maxBytes: bigint, lastSender, lastReceiver, messages: {type: bigint, data}[]}, or minus an errno. The
// messages stay in the queue (MSG_COPY).
Napi::Value messageQueue(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  int id = info[0].As<Napi::Number>().Int32Value();
  struct msqid_ds queue;
  if (msgctl(id, IPC_STAT, &queue) < 0) return Napi::Number::New(env, -errno);
  Napi::Array messages = Napi::Array::New(env);
  // none is larger than all together
  std::vector<char> buffer(sizeof(long) + queue.__msg_cbytes);
  for (uint32_t i = 0; i < queue.msg_qnum; i++) {
    ssize_t size = msgrcv(id, buffer.data(), queue.__msg_cbytes, static_cast<long>(i), MSG_COPY | IPC_NOWAIT);
    if (size < 0) return Napi::Number::New(env, -errno);
    long type;
    memcpy(&type, buffer.data(), sizeof(type));
    Napi::Object message = Napi::Object::New(env);
    message.Set("type", Napi::BigInt::New(env, static_cast<int64_t>(type)));
    message.Set("data", Napi::Buffer<char>::Copy(env, buffer.data() + sizeof(type), static_cast<size_t>(size)));
    messages.Set(i, message);
  }
  // who has used it up to now
  if (msgctl(id, IPC_STAT, &queue) < 0) return Napi::Number::New(env, -errno);
  Napi::Object result = Napi::Object::New(env);
  result.Set("maxBytes", ToBigInt(env, queue.msg_qbytes));
  result.Set("lastSender", Napi::Number::New(env, queue.msg_lspid));
  result.Set("lastReceiver", Napi::Number::New(env, queue.msg_lrpid));
  result.Set("messages", messages);
  return result;
}
CRCTL_EXPORT(messageQueue);

}  // namespace
}  // namespace crctl
