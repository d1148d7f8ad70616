// Signals that end a command are noted instead, so that it can put things right first. JavaScript handlers would
// not do: they run only when the event loop turns, and a dump never lets it.

#include <csignal>
#include <cstring>

#include "util.h"

namespace crctl {
namespace {

volatile sig_atomic_t caught;

void Note(int signal) {
  if (caught == 0) caught = signal;
}

// watchSignals(): from now on SIGINT, SIGTERM and SIGHUP are noted for caughtSignal(). (Node does not tell which of
// them its caller had set to be ignored: it sets all to their default when it starts.)
Napi::Value watchSignals(const Napi::CallbackInfo &info) {
  for (int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_handler = Note;  // no SA_RESTART: a long copy ends early
    sigaction(signal, &action, nullptr);
  }
  return info.Env().Undefined();
}
CRCTL_EXPORT(watchSignals);

// caughtSignal(): number, 0 if none
Napi::Value caughtSignal(const Napi::CallbackInfo &info) { return Napi::Number::New(info.Env(), CaughtSignal()); }
CRCTL_EXPORT(caughtSignal);

}  // namespace

int CaughtSignal() { return caught; }

}  // namespace crctl
