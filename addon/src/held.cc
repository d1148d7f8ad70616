// Connections whose packets the module holds back: see kmod/crctl_net.h.

#include <sys/ioctl.h>

#include <cerrno>

#include "crctl_net.h"
#include "util.h"

namespace crctl {
namespace {

crctl_connections ListOf(const Napi::Value &value) {
  Napi::Uint8Array bytes = value.As<Napi::Uint8Array>();
  crctl_connections list{};
  list.connections = reinterpret_cast<uintptr_t>(bytes.Data());
  list.count = static_cast<uint32_t>(bytes.ByteLength() / sizeof(crctl_connection));
  return list;
}

// holdConnections(fd, connections): number, how many had been left so. `connections` are of struct crctl_connection.
Napi::Value holdConnections(const Napi::CallbackInfo &info) {
  crctl_connections list = ListOf(info[1]);
  if (ioctl(info[0].As<Napi::Number>().Int32Value(), CRCTL_NET_HOLD, &list) != 0) {
    throw SystemError(info.Env(), errno, "ioctl(CRCTL_NET_HOLD)");
  }
  return Napi::Number::New(info.Env(), list.found);
}
CRCTL_EXPORT(holdConnections);

// letConnections(fd, connections): those go on.
Napi::Value letConnections(const Napi::CallbackInfo &info) {
  crctl_connections list = ListOf(info[1]);
  if (ioctl(info[0].As<Napi::Number>().Int32Value(), CRCTL_NET_LET, &list) != 0) {
    throw SystemError(info.Env(), errno, "ioctl(CRCTL_NET_LET)");
  }
  return info.Env().Undefined();
}
CRCTL_EXPORT(letConnections);

// leaveConnections(fd, pid): all stay held back when fd is closed and that process has been killed.
Napi::Value leaveConnections(const Napi::CallbackInfo &info) {
  unsigned long pid = static_cast<unsigned long>(info[1].As<Napi::Number>().Int64Value());
  if (ioctl(info[0].As<Napi::Number>().Int32Value(), CRCTL_NET_LEAVE, pid) != 0) {
    throw SystemError(info.Env(), errno, "ioctl(CRCTL_NET_LEAVE)");
  }
  return info.Env().Undefined();
}
CRCTL_EXPORT(leaveConnections);

}  // namespace
}  // namespace crctl
