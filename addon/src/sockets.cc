// What the kernel tells of sockets, and what is in them, without taking it out.

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <vector>

#include "util.h"

// linux/un.h, which collides with the C library's header
#ifndef SIOCUNIXFILE
#define SIOCUNIXFILE (SIOCPROTOPRIVATE + 0)
#endif

namespace crctl {
namespace {

Napi::Value Bytes(Napi::Env env, const void *data, size_t length) {
  return Napi::Buffer<char>::Copy(env, static_cast<const char *>(data), length);
}

Napi::Object UnixSocket(Napi::Env env, const unix_diag_msg *message, size_t length) {
  Napi::Object socket = Napi::Object::New(env);
  socket.Set("ino", ToBigInt(env, message->udiag_ino));
  socket.Set("type", Napi::Number::New(env, message->udiag_type));
  socket.Set("state", Napi::Number::New(env, message->udiag_state));
  auto *attribute = reinterpret_cast<const nlattr *>(reinterpret_cast<const char *>(message) + NLMSG_ALIGN(sizeof(*message)));
  size_t left = length - NLMSG_ALIGN(sizeof(*message));
  while (left >= sizeof(*attribute) && attribute->nla_len >= sizeof(*attribute) && attribute->nla_len <= left) {
    const char *data = reinterpret_cast<const char *>(attribute) + NLA_HDRLEN;
    size_t size = attribute->nla_len - NLA_HDRLEN;
    switch (attribute->nla_type & NLA_TYPE_MASK) {
      case UNIX_DIAG_NAME:
        socket.Set("name", Bytes(env, data, size));
        break;
      case UNIX_DIAG_VFS: {
        unix_diag_vfs vfs;
        memcpy(&vfs, data, sizeof(vfs));
        socket.Set("fileIno", ToBigInt(env, vfs.udiag_vfs_ino));
        socket.Set("fileDev", ToBigInt(env, vfs.udiag_vfs_dev));
        break;
      }
      case UNIX_DIAG_PEER: {
        uint32_t peer;
        memcpy(&peer, data, sizeof(peer));
        socket.Set("peer", ToBigInt(env, peer));
        break;
      }
      case UNIX_DIAG_ICONS: {
        Napi::Array pending = Napi::Array::New(env, size / sizeof(uint32_t));
        for (uint32_t i = 0; i < size / sizeof(uint32_t); i++) {
          uint32_t ino;
          memcpy(&ino, data + i * sizeof(ino), sizeof(ino));
          pending.Set(i, ToBigInt(env, ino));
        }
        socket.Set("pending", pending);
        break;
      }
      case UNIX_DIAG_RQLEN: {
        unix_diag_rqlen lengths;
        memcpy(&lengths, data, sizeof(lengths));
        socket.Set("unread", Napi::Number::New(env, lengths.udiag_rqueue));
        socket.Set("unsent", Napi::Number::New(env, lengths.udiag_wqueue));
        break;
      }
      case UNIX_DIAG_SHUTDOWN:
        socket.Set("shutdown", Napi::Number::New(env, static_cast<uint8_t>(data[0])));
        break;
    }
    size_t step = NLA_ALIGN(attribute->nla_len);
    if (step >= left) break;
    left -= step;
    attribute = reinterpret_cast<const nlattr *>(reinterpret_cast<const char *>(attribute) + step);
  }
  return socket;
}

// unixSockets(): every AF_UNIX socket of our network namespace, as sock_diag(7) has it: { ino, type, state, name?, fileIno?, fileDev?,
// peer?, pending?, unread, unsent, shutdown }. Of a listening socket `unsent` is the backlog, `pending` has the inodes of those
// who wait to be accepted; `peer` 0: a socket that has no descriptor.
Napi::Value unixSockets(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  Descriptor diag(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  if (diag.get() < 0) throw SystemError(env, errno, "socket(NETLINK_SOCK_DIAG)");
  struct {
    nlmsghdr head;
    unix_diag_req body;
  } request = {};
  request.head.nlmsg_len = sizeof(request);
  request.head.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  request.head.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.body.sdiag_family = AF_UNIX;
  request.body.udiag_states = ~0u;
  request.body.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_VFS | UDIAG_SHOW_PEER | UDIAG_SHOW_ICONS | UDIAG_SHOW_RQLEN;
  if (send(diag.get(), &request, sizeof(request), 0) < 0) throw SystemError(env, errno, "send(unix_diag)");

  Napi::Array result = Napi::Array::New(env);
  std::vector<char> buffer(1 << 18);
  for (;;) {
    ssize_t received = recv(diag.get(), buffer.data(), buffer.size(), 0);
    if (received < 0 && errno == EINTR) continue;
    if (received < 0) throw SystemError(env, errno, "recv(unix_diag)");
    int left = static_cast<int>(received);
    for (auto *head = reinterpret_cast<nlmsghdr *>(buffer.data()); NLMSG_OK(head, left); head = NLMSG_NEXT(head, left)) {
      if (head->nlmsg_type == NLMSG_DONE) return result;
      if (head->nlmsg_type == NLMSG_ERROR) {
        auto *error = static_cast<nlmsgerr *>(NLMSG_DATA(head));
        throw SystemError(env, -error->error, "unix_diag");
      }
      result.Set(result.Length(), UnixSocket(env, static_cast<unix_diag_msg *>(NLMSG_DATA(head)),
                                             head->nlmsg_len - NLMSG_LENGTH(0)));
    }
  }
}
CRCTL_EXPORT(unixSockets);

// socketOptions(fd, levels, names): (Buffer | Errno)[]
Napi::Value socketOptions(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  int fd = info[0].As<Napi::Number>().Int32Value();
  auto levels = GetInts(info[1]), names = GetInts(info[2]);
  Napi::Array result = Napi::Array::New(env, names.size());
  for (size_t i = 0; i < names.size() && i < levels.size(); i++) {
    char value[4096];
    socklen_t length = sizeof(value);
    Napi::Value entry;
    if (getsockopt(fd, levels[i], names[i], value, &length) != 0) {
      entry = Napi::Number::New(env, -errno);
    } else {
      entry = Bytes(env, value, length);
    }
    result.Set(static_cast<uint32_t>(i), entry);
  }
  return result;
}
CRCTL_EXPORT(socketOptions);

// otherOptions(fd, names: Int32Array, usual: Buffer): (number | Buffer)[]: of the options that names has (level, name, level, name
// ...) those whose values are not the usual ones, which stand in `usual` one behind the other, each an int32 with its length,
// -1 if there is none, and the bytes. Index and value of each in turn; what cannot be asked for is passed over.
Napi::Value otherOptions(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  int fd = info[0].As<Napi::Number>().Int32Value();
  auto names = info[1].As<Napi::Int32Array>();
  auto usual = info[2].As<Napi::Buffer<char>>();
  const char *at = usual.Data(), *end = at + usual.Length();
  Napi::Array result = Napi::Array::New(env);
  uint32_t count = 0;
  for (size_t i = 0; i + 1 < names.ElementLength(); i += 2) {
    char value[4096];
    socklen_t length = sizeof(value);
    int32_t expected;
    if (end - at < static_cast<std::ptrdiff_t>(sizeof(expected))) throw SystemError(env, EINVAL, "otherOptions");
    memcpy(&expected, at, sizeof(expected));
    at += sizeof(expected);
    if (expected > end - at) throw SystemError(env, EINVAL, "otherOptions");
    bool known = getsockopt(fd, names[i], names[i + 1], value, &length) == 0;
    if (known && !(expected == static_cast<int32_t>(length) && memcmp(value, at, length) == 0)) {
      const size_t index = i / 2;
      result.Set(count++, Napi::Number::New(env, static_cast<double>(index)));
      result.Set(count++, Bytes(env, value, length));
    }
    if (expected > 0) at += expected;
  }
  return result;
}
CRCTL_EXPORT(otherOptions);

// netlinkGroups(fd): number[], NETLINK_LIST_MEMBERSHIPS. The length that older kernels tell is too short (f4e4534850a9).
Napi::Value netlinkGroups(const Napi::CallbackInfo &info) {
  uint32_t words[1024] = {};
  socklen_t length = sizeof(words);
  if (getsockopt(info[0].As<Napi::Number>().Int32Value(), SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, words, &length) != 0) {
    throw SystemError(info.Env(), errno, "NETLINK_LIST_MEMBERSHIPS");
  }
  Napi::Array result = Napi::Array::New(info.Env());
  uint32_t count = 0;
  for (uint32_t bit = 0; bit < 8 * sizeof(words); bit++) {
    if (words[bit / 32] & (1u << (bit % 32))) result.Set(count++, Napi::Number::New(info.Env(), bit + 1));
  }
  return result;
}
CRCTL_EXPORT(netlinkGroups);

// newSocket(domain, type, protocol): number
Napi::Value newSocket(const Napi::CallbackInfo &info) {
  int numbers[3];
  for (size_t i = 0; i < 3; i++) numbers[i] = info[i].As<Napi::Number>().Int32Value();
  int fd = socket(numbers[0], numbers[1] | SOCK_CLOEXEC, numbers[2]);
  if (fd < 0) throw SystemError(info.Env(), errno, "socket");
  return Napi::Number::New(info.Env(), fd);
}
CRCTL_EXPORT(newSocket);

// socketName(fd): Buffer, struct sockaddr as getsockname(2) has it
Napi::Value socketName(const Napi::CallbackInfo &info) {
  sockaddr_storage address;
  socklen_t length = sizeof(address);
  if (getsockname(info[0].As<Napi::Number>().Int32Value(), reinterpret_cast<sockaddr *>(&address), &length) != 0) {
    throw SystemError(info.Env(), errno, "getsockname");
  }
  return Bytes(info.Env(), &address, length);
}
CRCTL_EXPORT(socketName);

// socketProtocols(paths): (string | errno)[], "TCP", "UDPv6", "UNIX-STREAM" ...: what the file behind a /proc/<pid>/fd/<fd> says, for
// which nobody needs a descriptor on the socket.
Napi::Value socketProtocols(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  auto paths = GetStrings(info[0]);
  Napi::Array result = Napi::Array::New(env, paths.size());
  for (size_t i = 0; i < paths.size(); i++) {
    char name[64];
    ssize_t length = getxattr(paths[i].c_str(), "system.sockprotoname", name, sizeof(name));
    if (length < 0) {
      result.Set(static_cast<uint32_t>(i), Napi::Number::New(env, -errno));
    } else {
      // the NUL at its end counts
      result.Set(static_cast<uint32_t>(i), ToString(env, name, strnlen(name, static_cast<size_t>(length))));
    }
  }
  return result;
}
CRCTL_EXPORT(socketProtocols);

// peerName(fd): Buffer, struct sockaddr as getpeername(2) has it
Napi::Value peerName(const Napi::CallbackInfo &info) {
  sockaddr_storage address;
  socklen_t length = sizeof(address);
  if (getpeername(info[0].As<Napi::Number>().Int32Value(), reinterpret_cast<sockaddr *>(&address), &length) != 0) {
    throw SystemError(info.Env(), errno, "getpeername");
  }
  return Bytes(info.Env(), &address, length);
}
CRCTL_EXPORT(peerName);

// A program that peeks its way through a stream (SO_PEEK_OFF, from Linux 6.9 on) neither keeps us from its beginning nor loses its place.
class FromStart {
 public:
  explicit FromStart(int fd) : fd_(fd) {
    socklen_t length = sizeof(before_);
    if (getsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &before_, &length) != 0) before_ = -1;
    if (before_ >= 0) Set(0);
  }
  ~FromStart() {
    if (before_ >= 0) Set(before_);
  }
  FromStart(const FromStart &) = delete;
  FromStart &operator=(const FromStart &) = delete;

 private:
  void Set(int value) const { setsockopt(fd_, SOL_SOCKET, SO_PEEK_OFF, &value, sizeof(value)); }
  int fd_, before_ = -1;
};

// peekBytes(fd, size): Buffer. The first `size` bytes that are unread in a stream, or as many as there are.
Napi::Value peekBytes(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  int fd = info[0].As<Napi::Number>().Int32Value();
  size_t size = info[1].As<Napi::Number>().Uint32Value();
  if (size == 0) return Napi::Buffer<char>::New(env, 0);
  auto buffer = Napi::Buffer<char>::New(env, size);
  FromStart start(fd);
  ssize_t got = recv(fd, buffer.Data(), size, MSG_PEEK | MSG_DONTWAIT);
  if (got < 0 && errno != EAGAIN) throw SystemError(env, errno, "recv(MSG_PEEK)");
  if (static_cast<size_t>(got) == size) return buffer;
  return Napi::Buffer<char>::Copy(env, buffer.Data(), got < 0 ? 0 : static_cast<size_t>(got));
}
CRCTL_EXPORT(peekBytes);

// closeQuietly(fds): closes connections so that the kernel remembers none of them: without a packet, or, for who may not do that
// (CAP_NET_ADMIN), by a reset, of which nobody is left to hear.
Napi::Value closeQuietly(const Napi::CallbackInfo &info) {
  auto fds = GetInts(info[0]);
  int on = 1;
  // none hears of the end of another
  const linger at_once = {1, 0};
  for (int fd : fds) {
    if (setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)) != 0)
      setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  }
  for (int fd : fds) close(fd);
  return info.Env().Undefined();
}
CRCTL_EXPORT(closeQuietly);

// Each peek begins where the last one ended; whatever happens, the program's own setting comes back.
class PeekOffset {
 public:
  explicit PeekOffset(int fd) : fd_(fd) {
    socklen_t length = sizeof(before_);
    if (getsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &before_, &length) != 0) return;
    int zero = 0;
    set_ = setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &zero, sizeof(zero)) == 0;
  }
  ~PeekOffset() {
    if (set_) setsockopt(fd_, SOL_SOCKET, SO_PEEK_OFF, &before_, sizeof(before_));
  }
  PeekOffset(const PeekOffset &) = delete;
  PeekOffset &operator=(const PeekOffset &) = delete;
  bool works() const { return set_; }
  void Set(size_t at) const {
    int value = static_cast<int>(at);
    setsockopt(fd_, SOL_SOCKET, SO_PEEK_OFF, &value, sizeof(value));
  }

 private:
  int fd_, before_ = -1;
  bool set_ = false;
};

// What came in one go; those of its descriptors that nobody takes over are closed.
class Peeked {
 public:
  // At most `size` bytes from where the socket's peek offset is: 0, or an errno.
  int Peek(int fd, char *data, size_t size) {
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ucred)) + CMSG_SPACE(SCM_MAX_FD * sizeof(int)) + 1024];
    iovec part = {data, size};
    msghdr message = {};
    message.msg_name = &from_;
    message.msg_namelen = sizeof(from_);
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    ssize_t received = recvmsg(fd, &message, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (received < 0) return errno;
    size_ = static_cast<size_t>(received);
    fromLength_ = message.msg_namelen;
    truncated_ = (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
    for (cmsghdr *head = CMSG_FIRSTHDR(&message); head != nullptr; head = CMSG_NXTHDR(&message, head)) {
      if (head->cmsg_level == SOL_SOCKET) Take(head);
    }
    return 0;
  }
  Peeked() = default;
  ~Peeked() { Drop(); }
  Peeked(const Peeked &) = delete;
  Peeked &operator=(const Peeked &) = delete;

  size_t size() const { return size_; }
  bool hasDescriptors() const { return !fds_.empty(); }

  Napi::Object Value(Napi::Env env, const char *data, size_t size) {
    Napi::Object entry = Napi::Object::New(env);
    entry.Set("data", Bytes(env, data, size));
    entry.Set("truncated", Napi::Boolean::New(env, truncated_));
    entry.Set("pidfd", Napi::Boolean::New(env, pidfd_));
    if (fromLength_ > 0 && from_.sun_family != AF_UNIX) {
      entry.Set("address", Bytes(env, reinterpret_cast<const char *>(&from_), fromLength_));
    } else if (fromLength_ > offsetof(sockaddr_un, sun_path)) {
      entry.Set("from", Bytes(env, from_.sun_path, fromLength_ - offsetof(sockaddr_un, sun_path)));
    }
    if (hasSender_) {
      Napi::Object credentials = Napi::Object::New(env);
      credentials.Set("pid", Napi::Number::New(env, sender_.pid));
      credentials.Set("uid", Napi::Number::New(env, sender_.uid));
      credentials.Set("gid", Napi::Number::New(env, sender_.gid));
      entry.Set("credentials", credentials);
    }
    return entry;
  }

  // They are the caller's from now on.
  Napi::Array TakeDescriptors(Napi::Env env) {
    Napi::Array fds = Napi::Array::New(env);
    for (int fd : fds_) fds.Set(fds.Length(), Napi::Number::New(env, fd));
    fds_.clear();
    return fds;
  }

 private:
  static constexpr int SCM_MAX_FD = 253;
  static constexpr int kScmPidfd = 4;  // SCM_PIDFD, Linux 6.5

  void Take(const cmsghdr *head) {
    const unsigned char *data = CMSG_DATA(head);
    size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    if (head->cmsg_type == SCM_CREDENTIALS) {
      memcpy(&sender_, data, sizeof(sender_));
      hasSender_ = true;
    } else if (head->cmsg_type == SCM_RIGHTS || head->cmsg_type == kScmPidfd) {
      for (size_t i = 0; i < count; i++) {
        int passed;
        memcpy(&passed, data + i * sizeof(int), sizeof(int));
        if (head->cmsg_type == SCM_RIGHTS) {
          fds_.push_back(passed);
        } else {
          pidfd_ = true;
          if (passed >= 0) close(passed);
        }
      }
    }
  }

  void Drop() {
    for (int fd : fds_) close(fd);
    fds_.clear();
  }

  std::vector<int> fds_;
  sockaddr_un from_ = {};
  ucred sender_ = {};
  size_t size_ = 0;
  socklen_t fromLength_ = 0;
  bool truncated_ = false, hasSender_ = false, pidfd_ = false;
};

// Memory behind which there is none.
class Guarded {
 public:
  explicit Guarded(size_t size) : page_(static_cast<size_t>(sysconf(_SC_PAGESIZE))), size_((size + page_ - 1) / page_ * page_) {
    void *map = mmap(nullptr, size_ + page_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED) return;
    at_ = static_cast<char *>(map);
    mprotect(at_ + size_, page_, PROT_NONE);
  }
  ~Guarded() {
    if (at_ != nullptr) munmap(at_, size_ + page_);
  }
  Guarded(const Guarded &) = delete;
  Guarded &operator=(const Guarded &) = delete;
  // That many bytes of it, up to its end.
  char *Last(size_t count) const { return at_ == nullptr ? nullptr : at_ + size_ - count; }

 private:
  size_t page_, size_;
  char *at_ = nullptr;
};

// In a stream descriptors are passed with some bytes, and what was sent before these comes in one go with them: how much of `size` bytes
// that is. What is sent in one go is copied as a whole or not at all, so where there is room for all but the last byte, what
// came with the descriptors is missing.
size_t BytesBefore(Napi::Env env, int fd, size_t size) {
  Guarded memory(size);
  if (memory.Last(0) == nullptr) throw SystemError(env, ENOMEM, "mmap");
  ssize_t before = recv(fd, memory.Last(size - 1), size, MSG_PEEK | MSG_DONTWAIT);
  if (before < 0 && errno != EFAULT) throw SystemError(env, errno, "recv(MSG_PEEK)");
  return before < 0 ? 0 : static_cast<size_t>(before);
}

void Append(Napi::Env env, Napi::Array result, Napi::Object entry, Napi::Array fds) {
  entry.Set("fds", fds);
  result.Set(result.Length(), entry);
}

// peekStream(fd, unread): { data, credentials?, fds, ... }[]. What is unread in a connection without bounds, `unread` bytes: a message is what
// has one sender and one set of descriptors. Nothing is asked for beyond: that would take the error that may wait there. `fds`
// are descriptors of ours.
Napi::Value peekStream(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  int fd = info[0].As<Napi::Number>().Int32Value();
  size_t unread = static_cast<size_t>(GetUint64(info[1]));
  std::vector<char> buffer(unread);
  PeekOffset offset(fd);
  if (!offset.works()) throw SystemError(env, errno, "SO_PEEK_OFF");
  Napi::Array result = Napi::Array::New(env);
  for (size_t done = 0; done < unread;) {
    Peeked peeked;
    offset.Set(done);
    int err = peeked.Peek(fd, buffer.data(), unread - done);
    if (err != 0) throw SystemError(env, err, "recvmsg(MSG_PEEK)");
    if (peeked.size() == 0) throw SystemError(env, EIO, "recvmsg(MSG_PEEK)");
    size_t before = 0;
    if (peeked.hasDescriptors()) {
      offset.Set(done);
      before = BytesBefore(env, fd, peeked.size());
    }
    if (before > 0) Append(env, result, peeked.Value(env, buffer.data(), before), Napi::Array::New(env));
    Napi::Object entry = peeked.Value(env, buffer.data() + before, peeked.size() - before);
    Append(env, result, entry, peeked.TakeDescriptors(env));
    done += peeked.size();
  }
  return result;
}
CRCTL_EXPORT(peekStream);

// peekMessages(fd, size, unread): the same of a socket that keeps bounds, with messages of at most `size` bytes. `unread` is what sequenced
// packets have together, after which nothing of no length is an end; -1: nothing ever is.
Napi::Value peekMessages(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  int fd = info[0].As<Napi::Number>().Int32Value();
  std::vector<char> buffer(static_cast<size_t>(GetUint64(info[1])) + 1);
  int64_t unread = info[2].As<Napi::Number>().Int64Value();
  PeekOffset offset(fd);
  if (!offset.works()) throw SystemError(env, errno, "SO_PEEK_OFF");
  Napi::Array result = Napi::Array::New(env);
  for (int64_t done = 0;;) {
    Peeked peeked;
    int err = peeked.Peek(fd, buffer.data(), buffer.size());
    if (err == EAGAIN) return result;
    if (err != 0) throw SystemError(env, err, "recvmsg(MSG_PEEK)");
    // the end of a connection; a packet without bytes before it is not told from that
    if (peeked.size() == 0 && !peeked.hasDescriptors() && done == unread) return result;
    done += static_cast<int64_t>(peeked.size());
    Napi::Object entry = peeked.Value(env, buffer.data(), peeked.size());
    Append(env, result, entry, peeked.TakeDescriptors(env));
  }
}
CRCTL_EXPORT(peekMessages);

// pollState(fd): POLLIN, POLLPRI, POLLRDHUP, POLLERR, POLLHUP as poll(2) has them now.
Napi::Value pollState(const Napi::CallbackInfo &info) {
  pollfd file = {};
  file.fd = info[0].As<Napi::Number>().Int32Value();
  file.events = POLLIN | POLLPRI | POLLRDHUP;
  if (poll(&file, 1, 0) < 0) throw SystemError(info.Env(), errno, "poll");
  return Napi::Number::New(info.Env(), file.revents);
}
CRCTL_EXPORT(pollState);

// socketFile(fd): an O_PATH descriptor of the file that an AF_UNIX socket is bound to, wherever that is now, or -errno.
Napi::Value socketFile(const Napi::CallbackInfo &info) {
  int fd = ioctl(info[0].As<Napi::Number>().Int32Value(), SIOCUNIXFILE);
  if (fd >= 0) fcntl(fd, F_SETFD, FD_CLOEXEC);
  return Napi::Number::New(info.Env(), fd < 0 ? -errno : fd);
}
CRCTL_EXPORT(socketFile);

// peerCredentials(fd): number[], SO_PEERCRED and SO_PEERGROUPS: pid, uid, gid and the further groups; none if nobody has been there.
Napi::Value peerCredentials(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  int fd = info[0].As<Napi::Number>().Int32Value();
  Napi::Array result = Napi::Array::New(env);
  ucred ids;
  socklen_t length = sizeof(ids);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &ids, &length) != 0) throw SystemError(env, errno, "SO_PEERCRED");
  if (ids.uid == static_cast<uid_t>(-1)) return result;
  std::vector<gid_t> groups(64);
  length = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
  while (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &length) != 0) {
    if (errno != ERANGE) throw SystemError(env, errno, "SO_PEERGROUPS");
    groups.resize(length / sizeof(gid_t));
  }
  groups.resize(length / sizeof(gid_t));
  uint32_t count = 0;
  result.Set(count++, Napi::Number::New(env, ids.pid));
  result.Set(count++, Napi::Number::New(env, ids.uid));
  result.Set(count++, Napi::Number::New(env, ids.gid));
  for (gid_t group : groups) result.Set(count++, Napi::Number::New(env, group));
  return result;
}
CRCTL_EXPORT(peerCredentials);

// socketFilter(fd): Uint8Array, the classic BPF program that looks at what comes (struct sock_filter each), empty if there is none; or
// -EACCES: one that is not classic, of which nothing is told but that it is there.
Napi::Value socketFilter(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  int fd = info[0].As<Napi::Number>().Int32Value();
  // in instructions, not in bytes
  socklen_t count = 0;
  if (getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, nullptr, &count) < 0) return Napi::Number::New(env, -errno);
  std::vector<sock_filter> program(count);
  if (count > 0 && getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, program.data(), &count) < 0) return Napi::Number::New(env, -errno);
  return Napi::Buffer<uint8_t>::Copy(env, reinterpret_cast<uint8_t *>(program.data()), program.size() * sizeof(sock_filter));
}
CRCTL_EXPORT(socketFilter);

}  // namespace
}  // namespace crctl
