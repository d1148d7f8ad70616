// What the files of the addon share: how a function is exported, how a failed system call is reported.
//
// The addon is mechanism only. A function here is one system call or one batch of them; what to do with the
// result is decided in src/.
#pragma once

#include <fcntl.h>
#include <napi.h>

#include <cstdint>
#include <string>
#include <vector>

namespace crctl {

using Function = Napi::Value (*)(const Napi::CallbackInfo &);

struct Export {
  const char *name;
  Function function;
};

std::vector<Export> &Exports();

struct Register {
  Register(const char *name, Function function) { Exports().push_back({name, function}); }
};

// We lack something (descriptors, memory), which says nothing of the object that was being looked at: it must not be taken
// for one that has gone. Becomes a system error, out of whatever function it was thrown in.
struct Shortage {
  int err;
  const char *syscall;
  std::string path;
};

// Throws a Shortage if the error is one.
void CheckShortage(int err, const char *syscall, const std::string &path);

// Makes `function` a property of the addon with the same name.
#define CRCTL_EXPORT(function) static const crctl::Register register_##function{#function, function}

// An Error with the fields of Node's own system errors: code "ENOENT", errno 2, syscall, path.
Napi::Error SystemError(Napi::Env env, int err, const char *syscall, const std::string &path = "");

// "ENOENT"
std::string ErrnoName(int err);

// A string of file contents or a name. What is not UTF-8 comes out with U+FFFD in it.
Napi::String ToString(Napi::Env env, const char *data, size_t length);

inline Napi::BigInt ToBigInt(Napi::Env env, uint64_t value) { return Napi::BigInt::New(env, value); }

uint64_t GetUint64(const Napi::Value &value);
std::vector<std::string> GetStrings(const Napi::Value &value);
std::vector<int32_t> GetInts(const Napi::Value &value);

// A descriptor that is closed when it goes out of scope.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  ~Descriptor();
  Descriptor(const Descriptor &) = delete;
  Descriptor &operator=(const Descriptor &) = delete;
  Descriptor(Descriptor &&other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  int get() const { return fd_; }
  void reset(int fd);
  int release() {
    int fd = fd_;
    fd_ = -1;
    return fd;
  }

 private:
  int fd_;
};

// 0 and the contents appended to `out`, or an errno, or a Shortage thrown. Follows no length: files in /proc have none.
// `path` is relative to the directory `at` (openat(2)).
int ReadWhole(const char *path, std::string &out, int at = AT_FDCWD);

// As /proc/<pid>/stat has it; 'X' if there is no such task.
char StateOf(int pid);

uint64_t MonotonicNs();

// The signal that watchSignals() has caught, 0 if none.
int CaughtSignal();

}  // namespace crctl
