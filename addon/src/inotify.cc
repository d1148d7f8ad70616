// What an inotify instance holds, and the inodes that it watches.

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <cstring>

#include "util.h"

namespace crctl {
namespace {

// unreadBytes(fd): number
Napi::Value unreadBytes(const Napi::CallbackInfo &info) {
  int unread = 0;
  if (ioctl(info[0].As<Napi::Number>().Int32Value(), FIONREAD, &unread) < 0) throw SystemError(info.Env(), errno, "FIONREAD");
  return Napi::Number::New(info.Env(), unread);
}
CRCTL_EXPORT(unreadBytes);

// newWatch(path: string, mask: number): number, an inotify instance with one watch
Napi::Value newWatch(const Napi::CallbackInfo &info) {
  std::string path = info[0].As<Napi::String>();
  Descriptor fd(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (fd.get() < 0) throw SystemError(info.Env(), errno, "inotify_init1");
  if (inotify_add_watch(fd.get(), path.c_str(), info[1].As<Napi::Number>().Uint32Value()) < 0) {
    throw SystemError(info.Env(), errno, "inotify_add_watch", path);
  }
  return Napi::Number::New(info.Env(), fd.release());
}
CRCTL_EXPORT(newWatch);

// openByHandle(mount: string, type: number, handle: Uint8Array): an O_PATH descriptor of that inode of the file system that is mounted
// there, or -errno.
Napi::Value openByHandle(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  auto path = info[0].As<Napi::String>().Utf8Value();
  auto bytes = info[2].As<Napi::Uint8Array>();
  alignas(file_handle) char room[sizeof(file_handle) + MAX_HANDLE_SZ] = {};
  auto handle = reinterpret_cast<file_handle *>(room);
  if (bytes.ByteLength() > MAX_HANDLE_SZ) return Napi::Number::New(env, -EINVAL);
  handle->handle_bytes = static_cast<unsigned int>(bytes.ByteLength());
  handle->handle_type = info[1].As<Napi::Number>().Int32Value();
  memcpy(room + sizeof(file_handle), bytes.Data(), bytes.ByteLength());
  // an O_PATH descriptor of the mount would not do
  Descriptor mount(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (mount.get() < 0) return Napi::Number::New(env, -errno);
  int fd = open_by_handle_at(mount.get(), handle, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  return Napi::Number::New(env, fd < 0 ? -errno : fd);
}
CRCTL_EXPORT(openByHandle);

}  // namespace
}  // namespace crctl
