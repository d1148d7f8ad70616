// Many small files, links and inodes with one call from JavaScript: a task has dozens of them in /proc, and
// they are read while it is frozen.

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "util.h"

namespace crctl {
namespace {

Napi::Value Errno(Napi::Env env, int err) { return Napi::Number::New(env, -err); }

// 0 or an errno; `path` from the directory `at`
int ReadLink(const char *path, std::string &out, int at = AT_FDCWD) {
  char buffer[4096 + 16];  // PATH_MAX and " (deleted)"
  ssize_t n = readlinkat(at, path, buffer, sizeof(buffer));
  if (n < 0) return errno;
  if (static_cast<size_t>(n) == sizeof(buffer)) return ENAMETOOLONG;
  out.assign(buffer, static_cast<size_t>(n));
  return 0;
}

Napi::Object StatObject(Napi::Env env, const struct stat &st) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("mode", Napi::Number::New(env, st.st_mode));
  object.Set("nlink", Napi::Number::New(env, static_cast<double>(st.st_nlink)));
  object.Set("uid", Napi::Number::New(env, st.st_uid));
  object.Set("gid", Napi::Number::New(env, st.st_gid));
  object.Set("dev", ToBigInt(env, st.st_dev));
  object.Set("ino", ToBigInt(env, st.st_ino));
  object.Set("rdev", ToBigInt(env, st.st_rdev));
  object.Set("size", ToBigInt(env, static_cast<uint64_t>(st.st_size)));
  object.Set("mtimeNs", Napi::BigInt::New(env, static_cast<int64_t>(st.st_mtim.tv_sec) * 1000000000 + st.st_mtim.tv_nsec));
  return object;
}

// readTexts(paths: string[]): (string | -errno)[]
Napi::Value readTexts(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  auto paths = GetStrings(info[0]);
  Napi::Array result = Napi::Array::New(env, paths.size());
  std::string text;
  for (size_t i = 0; i < paths.size(); i++) {
    text.clear();
    int err = ReadWhole(paths[i].c_str(), text);
    result.Set(static_cast<uint32_t>(i), err != 0 ? Errno(env, err) : ToString(env, text.data(), text.size()));
  }
  return result;
}
CRCTL_EXPORT(readTexts);

// readLinks(paths: string[]): (string | -errno)[]
Napi::Value readLinks(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  auto paths = GetStrings(info[0]);
  Napi::Array result = Napi::Array::New(env, paths.size());
  std::string link;
  for (size_t i = 0; i < paths.size(); i++) {
    int err = ReadLink(paths[i].c_str(), link);
    result.Set(static_cast<uint32_t>(i), err != 0 ? Errno(env, err) : ToString(env, link.data(), link.size()));
  }
  return result;
}
CRCTL_EXPORT(readLinks);

// stats(paths: string[], follow: boolean): (StatRecord | -errno)[]
Napi::Value stats(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  auto paths = GetStrings(info[0]);
  int flags = info[1].ToBoolean().Value() ? 0 : AT_SYMLINK_NOFOLLOW;
  Napi::Array result = Napi::Array::New(env, paths.size());
  for (size_t i = 0; i < paths.size(); i++) {
    struct stat st;
    Napi::Value value;
    if (fstatat(AT_FDCWD, paths[i].c_str(), &st, flags) != 0) {
      value = Errno(env, errno);
    } else {
      value = StatObject(env, st);
    }
    result.Set(static_cast<uint32_t>(i), value);
  }
  return result;
}
CRCTL_EXPORT(stats);

// 0 or an errno, or a Shortage thrown; the numbers that a directory of /proc lists, ascending
int ListNumbers(const std::string &path, std::vector<int> &numbers) {
  DIR *dir = opendir(path.c_str());
  if (dir == nullptr) {
    int err = errno;
    CheckShortage(err, "opendir", path);
    return err;
  }
  errno = 0;
  while (dirent *entry = readdir(dir)) {
    char *end;
    long number = strtol(entry->d_name, &end, 10);
    if (end != entry->d_name && *end == '\0' && number >= 0) numbers.push_back(static_cast<int>(number));
  }
  int err = errno;
  closedir(dir);
  std::sort(numbers.begin(), numbers.end());
  return err;
}

// Whether the first thread of a process has exited while others go on. Of most of those that are asked about, which are the
// kernel's or have ended, the links of a directory tell that there is but one thread.
bool IsHeadless(int pid) {
  constexpr nlink_t kWithOneThread = 3;
  struct stat st;
  return stat(("/proc/" + std::to_string(pid) + "/task").c_str(), &st) == 0 && st.st_nlink > kWithOneThread &&
         strchr("ZX", StateOf(pid)) != nullptr;
}

// Reads what the threads of a process have in common: `read` gets the directory in /proc that is to have it, and tells whether it
// has. A process' own has nothing any more, or may not be looked into, once its first thread has exited; those of the others have.
template <typename Read>
void ReadShared(int pid, Read read) {
  std::string base = "/proc/" + std::to_string(pid);
  if (read(base) || !IsHeadless(pid)) return;
  std::vector<int> tids;
  if (ListNumbers(base + "/task", tids) != 0) return;
  for (int tid : tids) {
    if (tid != pid && read(base + "/task/" + std::to_string(tid))) return;
  }
}

// The descriptors of a process, and the directory in /proc that shows them. 0 or an errno.
int ListDescriptors(int pid, std::string &base, std::vector<int> &fds) {
  int err = 0;
  ReadShared(pid, [&](const std::string &directory) {
    base = directory;
    fds.clear();
    err = ListNumbers(base + "/fd", fds);
    return err == 0 && !fds.empty();
  });
  return err;
}

int OpenDirectory(Napi::Env env, const std::string &path) {
  int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) throw SystemError(env, errno, "open", path);
  return fd;
}

// descriptors(pid: number): { fds, links, infos, stats }, each with a place for each descriptor, in ascending order; throws if
// the table cannot be read. `stats` has ten numbers of each: 0 or the errno of stat(2), mode, nlink, uid, gid, dev, ino, rdev,
// size, mtime in ns. One array and not an object for each: there are thousands of them, and the task is frozen.
Napi::Value descriptors(const Napi::CallbackInfo &info) {
  constexpr size_t kNumbers = 10;
  Napi::Env env = info.Env();
  std::string base;
  std::vector<int> fds;
  int err = ListDescriptors(info[0].As<Napi::Number>().Int32Value(), base, fds);
  if (err != 0) throw SystemError(env, err, "opendir", base + "/fd");
  Napi::Int32Array numbers = Napi::Int32Array::New(env, fds.size());
  Napi::BigUint64Array stats = Napi::BigUint64Array::New(env, kNumbers * fds.size());
  Napi::Array links = Napi::Array::New(env, fds.size()), infos = Napi::Array::New(env, fds.size());
  Descriptor link_dir(OpenDirectory(env, base + "/fd")), info_dir(OpenDirectory(env, base + "/fdinfo"));
  std::string text;
  for (size_t i = 0; i < fds.size(); i++) {
    std::string fd = std::to_string(fds[i]);
    numbers[i] = fds[i];
    err = ReadLink(fd.c_str(), text, link_dir.get());
    links.Set(static_cast<uint32_t>(i), err != 0 ? Errno(env, err) : ToString(env, text.data(), text.size()));
    text.clear();
    err = ReadWhole(fd.c_str(), text, info_dir.get());
    infos.Set(static_cast<uint32_t>(i), err != 0 ? Errno(env, err) : ToString(env, text.data(), text.size()));
    struct stat st = {};
    err = fstatat(link_dir.get(), fd.c_str(), &st, 0) != 0 ? errno : 0;
    const uint64_t values[kNumbers] = {
        static_cast<uint64_t>(err), st.st_mode, st.st_nlink, st.st_uid, st.st_gid, st.st_dev, st.st_ino, st.st_rdev,
        static_cast<uint64_t>(st.st_size),
        static_cast<uint64_t>(static_cast<int64_t>(st.st_mtim.tv_sec) * 1000000000 + st.st_mtim.tv_nsec)};
    std::copy(std::begin(values), std::end(values), stats.Data() + kNumbers * i);
  }
  Napi::Object result = Napi::Object::New(env);
  result.Set("fds", numbers);
  result.Set("links", links);
  result.Set("infos", infos);
  result.Set("stats", stats);
  return result;
}
CRCTL_EXPORT(descriptors);

// listNumbers(path: string): number[]
Napi::Value listNumbers(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  std::string path = info[0].As<Napi::String>();
  std::vector<int> numbers;
  int err = ListNumbers(path, numbers);
  if (err != 0) throw SystemError(env, err, "opendir", path);
  Napi::Array result = Napi::Array::New(env, numbers.size());
  for (size_t i = 0; i < numbers.size(); i++) result.Set(static_cast<uint32_t>(i), Napi::Number::New(env, numbers[i]));
  return result;
}
CRCTL_EXPORT(listNumbers);

// holders(pids: number[], prefixes: string[]): { pid, link }[]: which of these tasks hold a descriptor whose
// link starts so ("pipe:["). Tasks that are gone or not ours to look into are passed over.
Napi::Value holders(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  auto pids = GetInts(info[0]);
  auto prefixes = GetStrings(info[1]);
  Napi::Array result = Napi::Array::New(env);
  uint32_t count = 0;
  std::string link;
  for (int pid : pids) {
    std::string base;
    std::vector<int> fds;
    if (ListDescriptors(pid, base, fds) != 0) continue;
    base += "/fd";
    Descriptor links(open(base.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (links.get() < 0) {
      CheckShortage(errno, "open", base);
      continue;
    }
    for (int fd : fds) {
      if (ReadLink(std::to_string(fd).c_str(), link, links.get()) != 0) continue;
      bool wanted = false;
      for (const auto &prefix : prefixes) wanted = wanted || link.compare(0, prefix.size(), prefix) == 0;
      if (!wanted) continue;
      Napi::Object object = Napi::Object::New(env);
      object.Set("pid", Napi::Number::New(env, pid));
      object.Set("link", ToString(env, link.data(), link.size()));
      result.Set(count++, object);
    }
  }
  return result;
}
CRCTL_EXPORT(holders);

// Each file that these tasks have open, of which `wanted` tells by its link that it is worth a look: its task and its stat(2).
// Tasks that are gone or not ours to look into are passed over.
template <typename Wanted, typename Found>
void EachOpenFile(const std::vector<int> &pids, Wanted wanted, Found found) {
  std::string link;
  for (int pid : pids) {
    std::string base;
    std::vector<int> fds;
    if (ListDescriptors(pid, base, fds) != 0) continue;
    for (int fd : fds) {
      std::string path = base + "/fd/" + std::to_string(fd);
      struct stat st;
      if (ReadLink(path.c_str(), link) == 0 && wanted(link) && stat(path.c_str(), &st) == 0) found(pid, st);
    }
  }
}

// deletedHolders(pids: number[]): { pid, dev, ino }[]: which of these tasks have a file open that has no name, memfds
// among them. Tasks that are gone or not ours to look into are passed over.
Napi::Value deletedHolders(const Napi::CallbackInfo &info) {
  static const std::string kDeleted = " (deleted)";
  Napi::Env env = info.Env();
  Napi::Array result = Napi::Array::New(env);
  uint32_t count = 0;
  auto is_deleted = [](const std::string &link) {
    return link.size() >= kDeleted.size() && link.compare(link.size() - kDeleted.size(), kDeleted.size(), kDeleted) == 0;
  };
  EachOpenFile(GetInts(info[0]), is_deleted, [&](int pid, const struct stat &st) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("pid", Napi::Number::New(env, pid));
    object.Set("dev", ToBigInt(env, st.st_dev));
    object.Set("ino", ToBigInt(env, st.st_ino));
    result.Set(count++, object);
  });
  return result;
}
CRCTL_EXPORT(deletedHolders);

// fileHolders(pids: number[], dev: bigint): { pid, ino }[]: which of these tasks have files of that device open. Tasks that
// are gone or not ours to look into are passed over.
Napi::Value fileHolders(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  uint64_t dev = GetUint64(info[1]);
  Napi::Array result = Napi::Array::New(env);
  uint32_t count = 0;
  auto has_path = [](const std::string &link) { return link[0] == '/'; };
  EachOpenFile(GetInts(info[0]), has_path, [&](int pid, const struct stat &st) {
    if (st.st_dev != dev) return;
    Napi::Object object = Napi::Object::New(env);
    object.Set("pid", Napi::Number::New(env, pid));
    object.Set("ino", ToBigInt(env, st.st_ino));
    result.Set(count++, object);
  });
  return result;
}
CRCTL_EXPORT(fileHolders);

// A line of /proc/<pid>/maps that ends as the kernel calls System V shared memory: " /SYSV0000002a (deleted)".
bool IsSegment(const std::string &line) {
  constexpr size_t kLength = sizeof(" /SYSV01234567 (deleted)") - 1;
  return line.size() > kLength && line.compare(line.size() - kLength, 6, " /SYSV") == 0;
}

// sharedMemory(pids: number[]): { pid, key, writable, sysv }[]: which of these tasks have shared mappings of what has no name:
// memory of mmap(MAP_SHARED | MAP_ANONYMOUS), memfds, deleted files. key is device and inode number as /proc/<pid>/maps
// has them, "00:01 4711". Tasks that are gone or not ours to look into are passed over.
Napi::Value sharedMemory(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  Napi::Array result = Napi::Array::New(env);
  uint32_t count = 0;
  std::string text;
  for (int pid : GetInts(info[0])) {
    int err = 0;
    ReadShared(pid, [&](const std::string &base) {
      text.clear();
      err = ReadWhole((base + "/maps").c_str(), text);
      return err == 0 && !text.empty();
    });
    if (err != 0) continue;
    for (size_t at = 0, end; at < text.size(); at = end + 1) {
      end = std::min(text.find('\n', at), text.size());
      // address perms offset dev inode path
      unsigned major, minor;
      unsigned long inode;
      char write, shared;
      std::string line = text.substr(at, end - at);
      if (sscanf(line.c_str(), "%*s %*c%c%*c%c %*s %x:%x %lu", &write, &shared, &major, &minor, &inode) != 5) continue;
      if (shared != 's' || line.size() < 10 || line.compare(line.size() - 10, 10, " (deleted)") != 0) continue;
      char key[64];
      snprintf(key, sizeof(key), "%02x:%02x %lu", major, minor, inode);
      Napi::Object object = Napi::Object::New(env);
      object.Set("pid", Napi::Number::New(env, pid));
      object.Set("key", Napi::String::New(env, key));
      object.Set("writable", Napi::Boolean::New(env, write == 'w'));
      object.Set("sysv", Napi::Boolean::New(env, IsSegment(line)));
      result.Set(count++, object);
    }
  }
  return result;
}
CRCTL_EXPORT(sharedMemory);

// Device and inode number of a regular file as /proc/<pid>/maps would have them: those of stat(2) may be others (overlayfs,
// btrfs), so the file is mapped for a moment. 0 or an errno.
int MappedId(const char *path, std::string &id) {
  Descriptor fd(open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  struct stat st;
  if (fd.get() < 0 || fstat(fd.get(), &st) != 0) return errno;
  if (!S_ISREG(st.st_mode)) return EINVAL;
  struct statfs fs;
  if (fstatfs(fd.get(), &fs) != 0) return errno;
  if (fs.f_type == HUGETLBFS_MAGIC) {
    // a mapping takes at least one huge page; here stat(2) tells what the kernel has
    char text[64];
    snprintf(text, sizeof(text), "%02x:%02x %lu", major(st.st_dev), minor(st.st_dev), static_cast<unsigned long>(st.st_ino));
    id = text;
    return 0;
  }
  void *page = mmap(nullptr, 1, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (page == MAP_FAILED) return errno;
  std::string text;
  int err = ReadWhole("/proc/self/maps", text);
  munmap(page, 1);
  if (err != 0) return err;
  char start[32];
  snprintf(start, sizeof(start), "%lx-", reinterpret_cast<unsigned long>(page));
  for (size_t at = 0; at < text.size(); at = std::min(text.find('\n', at), text.size() - 1) + 1) {
    if (text.compare(at, strlen(start), start) != 0) continue;
    char device[32], inode[32];
    if (sscanf(text.c_str() + at, "%*s %*s %*s %31s %31s", device, inode) != 2) return EIO;
    id = std::string(device) + " " + inode;
    return 0;
  }
  return EIO;
}

// mappedIds(paths: string[]): (string | -errno)[], "fd:01 4711"
Napi::Value mappedIds(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  auto paths = GetStrings(info[0]);
  Napi::Array result = Napi::Array::New(env, paths.size());
  std::string id;
  for (size_t i = 0; i < paths.size(); i++) {
    int err = MappedId(paths[i].c_str(), id);
    result.Set(static_cast<uint32_t>(i), err != 0 ? Errno(env, err) : ToString(env, id.data(), id.size()));
  }
  return result;
}
CRCTL_EXPORT(mappedIds);

// lock(fd): boolean, whether nobody else has locked it. flock(2): for as long as it is open. Where the file system has no
// locks there is nobody to be told of.
Napi::Value lock(const Napi::CallbackInfo &info) {
  int fd = info[0].As<Napi::Number>().Int32Value();
  return Napi::Boolean::New(info.Env(), flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK);
}
CRCTL_EXPORT(lock);

// memfdCreate(name: string, flags: number): number
Napi::Value memfdCreate(const Napi::CallbackInfo &info) {
  std::string name = info[0].As<Napi::String>();
  int fd = memfd_create(name.c_str(), info[1].As<Napi::Number>().Uint32Value());
  if (fd < 0) throw SystemError(info.Env(), errno, "memfd_create", name);
  return Napi::Number::New(info.Env(), fd);
}
CRCTL_EXPORT(memfdCreate);

// fcntl(fd: number, command: number, argument: number): number
Napi::Value fcntlNumber(const Napi::CallbackInfo &info) {
  int result = fcntl(info[0].As<Napi::Number>().Int32Value(), info[1].As<Napi::Number>().Int32Value(),
                     info[2].As<Napi::Number>().Int32Value());
  if (result < 0) throw SystemError(info.Env(), errno, "fcntl");
  return Napi::Number::New(info.Env(), result);
}
CRCTL_EXPORT(fcntlNumber);

// fileOwner(fd: number): { pid, type, signal }, of F_GETOWN_EX and F_GETSIG
Napi::Value fileOwner(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  int fd = info[0].As<Napi::Number>().Int32Value();
  f_owner_ex owner;
  if (fcntl(fd, F_GETOWN_EX, &owner) != 0) throw SystemError(env, errno, "fcntl(F_GETOWN_EX)");
  int signal = fcntl(fd, F_GETSIG);
  if (signal < 0) throw SystemError(env, errno, "fcntl(F_GETSIG)");
  Napi::Object object = Napi::Object::New(env);
  object.Set("pid", Napi::Number::New(env, owner.pid));
  object.Set("type", Napi::Number::New(env, owner.type));
  object.Set("signal", Napi::Number::New(env, signal));
  return object;
}
CRCTL_EXPORT(fileOwner);

}  // namespace
}  // namespace crctl
