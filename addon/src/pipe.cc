// What is in a pipe, without taking it out.

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

#include "util.h"

namespace crctl {
namespace {

// A pipe of ours that takes what others hold: one for all, as long as they are of a size. Empty between uses.
class Scratch {
 public:
  void Make(Napi::Env env, int capacity) {
    if (capacity == capacity_) return;
    Drop();
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) throw SystemError(env, errno, "pipe2");
    out_.reset(ends[0]);
    in_.reset(ends[1]);
    // tee(2) links buffers, so the copy needs as many slots as the original
    if (fcntl(in(), F_SETPIPE_SZ, capacity) < 0) {
      int err = errno;
      Drop();
      throw SystemError(env, err, "fcntl(F_SETPIPE_SZ)");
    }
    capacity_ = capacity;
  }
  // whatever is in it
  void Drop() {
    out_.reset(-1);
    in_.reset(-1);
    capacity_ = 0;
  }
  int out() const { return out_.get(); }
  int in() const { return in_.get(); }

 private:
  Descriptor out_, in_;
  int capacity_ = 0;
};

Scratch scratch;

// peekPipe(fd): { capacity, unread, chunks: Buffer[] }. `fd` is a read end. Each chunk is what one read(2) would
// return from a large enough buffer: in packet mode (pipe(2), O_DIRECT) one packet.
Napi::Value peekPipe(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  int fd = info[0].As<Napi::Number>().Int32Value();
  int capacity = fcntl(fd, F_GETPIPE_SZ);
  if (capacity < 0) throw SystemError(env, errno, "fcntl(F_GETPIPE_SZ)");
  int unread = 0;
  if (ioctl(fd, FIONREAD, &unread) != 0) throw SystemError(env, errno, "ioctl(FIONREAD)");
  Napi::Array chunks = Napi::Array::New(env);
  if (unread > 0) {
    scratch.Make(env, capacity);
    ssize_t teed = tee(fd, scratch.in(), INT_MAX, SPLICE_F_NONBLOCK);
    if (teed != unread) {
      int err = teed < 0 ? errno : EIO;
      scratch.Drop();
      throw SystemError(env, err, "tee");
    }
    std::vector<char> buffer(static_cast<size_t>(unread));
    uint32_t count = 0;
    for (ssize_t done = 0; done < teed;) {
      ssize_t n = read(scratch.out(), buffer.data(), buffer.size());
      if (n <= 0) {
        int err = n < 0 ? errno : EIO;
        scratch.Drop();
        throw SystemError(env, err, "read");
      }
      chunks.Set(count++, Napi::Buffer<char>::Copy(env, buffer.data(), static_cast<size_t>(n)));
      done += n;
    }
  }
  Napi::Object result = Napi::Object::New(env);
  result.Set("capacity", Napi::Number::New(env, capacity));
  result.Set("unread", Napi::Number::New(env, unread));
  result.Set("chunks", chunks);
  return result;
}
CRCTL_EXPORT(peekPipe);

// otherEndClosed(fd): boolean, whether nobody holds the end of the pipe that `fd` is not.
Napi::Value otherEndClosed(const Napi::CallbackInfo &info) {
  pollfd pipe = {};
  pipe.fd = info[0].As<Napi::Number>().Int32Value();
  if (poll(&pipe, 1, 0) < 0) throw SystemError(info.Env(), errno, "poll");
  return Napi::Boolean::New(info.Env(), (pipe.revents & (POLLHUP | POLLERR)) != 0);
}
CRCTL_EXPORT(otherEndClosed);

}  // namespace
}  // namespace crctl
