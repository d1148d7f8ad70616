#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>

#include "util.h"

namespace crctl {

std::vector<Export> &Exports() {
  static std::vector<Export> exports;
  return exports;
}

std::string ErrnoName(int err) {
  const char *name = strerrorname_np(err);
  return name != nullptr ? name : "E" + std::to_string(err);
}

Napi::Error SystemError(Napi::Env env, int err, const char *syscall, const std::string &path) {
  std::string code = ErrnoName(err);
  std::string message = code + ": " + strerror(err) + ", " + syscall;
  if (!path.empty()) message += " '" + path + "'";
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, code));
  error.Set("errno", Napi::Number::New(env, err));
  error.Set("syscall", Napi::String::New(env, syscall));
  if (!path.empty()) error.Set("path", ToString(env, path.data(), path.size()));
  return error;
}

Napi::String ToString(Napi::Env env, const char *data, size_t length) {
  bool ascii = true;
  for (size_t i = 0; i < length && ascii; i++) ascii = (data[i] & 0x80) == 0;
  // V8 need not look for multi-byte characters then
  napi_value value;
  napi_status status = ascii ? napi_create_string_latin1(env, data, length, &value)
                             : napi_create_string_utf8(env, data, length, &value);
  if (status != napi_ok) throw Napi::Error::New(env);
  return Napi::String(env, value);
}

uint64_t GetUint64(const Napi::Value &value) {
  if (value.IsBigInt()) {
    bool lossless;
    uint64_t number = value.As<Napi::BigInt>().Uint64Value(&lossless);
    if (!lossless) throw Napi::RangeError::New(value.Env(), "number out of range");
    return number;
  }
  if (!value.IsNumber()) throw Napi::TypeError::New(value.Env(), "number or bigint expected");
  return static_cast<uint64_t>(value.As<Napi::Number>().Int64Value());
}

std::vector<std::string> GetStrings(const Napi::Value &value) {
  if (!value.IsArray()) throw Napi::TypeError::New(value.Env(), "array of strings expected");
  auto array = value.As<Napi::Array>();
  std::vector<std::string> strings;
  strings.reserve(array.Length());
  for (uint32_t i = 0; i < array.Length(); i++) strings.push_back(array.Get(i).As<Napi::String>().Utf8Value());
  return strings;
}

std::vector<int32_t> GetInts(const Napi::Value &value) {
  if (!value.IsArray()) throw Napi::TypeError::New(value.Env(), "array of numbers expected");
  auto array = value.As<Napi::Array>();
  std::vector<int32_t> numbers;
  numbers.reserve(array.Length());
  for (uint32_t i = 0; i < array.Length(); i++) numbers.push_back(array.Get(i).As<Napi::Number>().Int32Value());
  return numbers;
}

Descriptor::~Descriptor() { reset(-1); }

void Descriptor::reset(int fd) {
  if (fd_ >= 0) close(fd_);
  fd_ = fd;
}

void CheckShortage(int err, const char *syscall, const std::string &path) {
  if (err == EMFILE || err == ENFILE || err == ENOMEM) throw Shortage{err, syscall, path};
}

int ReadWhole(const char *path, std::string &out, int at) {
  Descriptor file(openat(at, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) {
    int err = errno;
    CheckShortage(err, "open", path);
    return err;
  }
  char buffer[16384];
  for (;;) {
    ssize_t n = read(file.get(), buffer, sizeof(buffer));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    if (n == 0) return 0;
    out.append(buffer, static_cast<size_t>(n));
  }
}

char StateOf(int pid) {
  std::string stat;
  if (ReadWhole(("/proc/" + std::to_string(pid) + "/stat").c_str(), stat) != 0) return 'X';
  size_t close = stat.rfind(')');
  return close == std::string::npos || close + 2 >= stat.size() ? 'X' : stat[close + 2];
}

uint64_t MonotonicNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000ull + static_cast<uint64_t>(now.tv_nsec);
}

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  for (const Export &e : Exports()) {
    auto call = [function = e.function](const Napi::CallbackInfo &info) {
      try {
        return function(info);
      } catch (const Shortage &shortage) {
        throw SystemError(info.Env(), shortage.err, shortage.syscall, shortage.path);
      }
    };
    exports.Set(e.name, Napi::Function::New(env, call, e.name));
  }
  return exports;
}

NODE_API_MODULE(crctl, Init)

}  // namespace crctl
