// What the kernel tells of terminals. asm/termbits.h and the C library's termios.h define the same names, so only the former is here.

#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <cerrno>

#include "util.h"

namespace crctl {
namespace {

void Ask(Napi::Env env, int fd, unsigned long request, void *answer, const char *name) {
  if (ioctl(fd, request, answer) != 0) throw SystemError(env, errno, name);
}

int AskNumber(Napi::Env env, int fd, unsigned long request, const char *name) {
  int number = 0;
  Ask(env, fd, request, &number, name);
  return number;
}

Napi::Object TermiosOf(Napi::Env env, const termios2 &termios) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("iflag", termios.c_iflag);
  result.Set("oflag", termios.c_oflag);
  result.Set("cflag", termios.c_cflag);
  result.Set("lflag", termios.c_lflag);
  result.Set("line", static_cast<uint32_t>(termios.c_line));
  result.Set("characters", Napi::Buffer<uint8_t>::Copy(env, termios.c_cc, sizeof(termios.c_cc)));
  result.Set("inputSpeed", termios.c_ispeed);
  result.Set("outputSpeed", termios.c_ospeed);
  return result;
}

// terminalDevice(fd): number. Of a pseudo-terminal, its master too: the device number of the slave.
Napi::Value terminalDevice(const Napi::CallbackInfo &info) {
  return Napi::Number::New(info.Env(), AskNumber(info.Env(), info[0].As<Napi::Number>().Int32Value(), TIOCGDEV, "ioctl(TIOCGDEV)"));
}
CRCTL_EXPORT(terminalDevice);

// terminalSide(fd): what is told of either side: { discipline, exclusive, readable, status, hungUp }. `readable` and `status` (a byte of packet mode) after
// all that is on its way has come.
Napi::Value terminalSide(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  pollfd side = {};
  side.fd = info[0].As<Napi::Number>().Int32Value();
  side.events = POLLIN | POLLPRI;
  if (poll(&side, 1, 0) < 0) throw SystemError(env, errno, "poll");
  Napi::Object result = Napi::Object::New(env);
  result.Set("discipline", AskNumber(env, side.fd, TIOCGETD, "ioctl(TIOCGETD)"));
  result.Set("exclusive", AskNumber(env, side.fd, TIOCGEXCL, "ioctl(TIOCGEXCL)") != 0);
  result.Set("readable", (side.revents & POLLIN) != 0);
  result.Set("status", (side.revents & POLLPRI) != 0);
  result.Set("hungUp", (side.revents & POLLHUP) != 0);
  return result;
}
CRCTL_EXPORT(terminalSide);

// masterState(fd): what the master of a pseudo-terminal tells of the pair.
Napi::Value masterState(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  int fd = info[0].As<Napi::Number>().Int32Value();
  termios2 termios = {};
  struct termios locked = {};
  struct winsize {
    uint16_t rows, columns, width, height;
  } size = {};
  Ask(env, fd, TCGETS2, &termios, "ioctl(TCGETS2)");
  Ask(env, fd, TIOCGLCKTRMIOS, &locked, "ioctl(TIOCGLCKTRMIOS)");
  Ask(env, fd, TIOCGWINSZ, &size, "ioctl(TIOCGWINSZ)");
  bool any = (locked.c_iflag | locked.c_oflag | locked.c_cflag | locked.c_lflag | locked.c_line) != 0;
  for (cc_t character : locked.c_cc) any = any || character != 0;
  int session = 0;
  // ENOTTY: it controls none
  if (ioctl(fd, TIOCGSID, &session) != 0 && errno != ENOTTY) throw SystemError(env, errno, "ioctl(TIOCGSID)");

  Napi::Object result = Napi::Object::New(env);
  result.Set("termios", TermiosOf(env, termios));
  result.Set("termiosLocked", any);
  Napi::Object window = Napi::Object::New(env);
  window.Set("rows", static_cast<uint32_t>(size.rows));
  window.Set("columns", static_cast<uint32_t>(size.columns));
  window.Set("width", static_cast<uint32_t>(size.width));
  window.Set("height", static_cast<uint32_t>(size.height));
  result.Set("window", window);
  result.Set("packet", AskNumber(env, fd, TIOCGPKT, "ioctl(TIOCGPKT)") != 0);
  result.Set("locked", AskNumber(env, fd, TIOCGPTLCK, "ioctl(TIOCGPTLCK)") != 0);
  result.Set("session", session);
  result.Set("foreground", session == 0 ? 0 : AskNumber(env, fd, TIOCGPGRP, "ioctl(TIOCGPGRP)"));
  return result;
}
CRCTL_EXPORT(masterState);

}  // namespace
}  // namespace crctl
