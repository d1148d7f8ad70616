/** Kinds of descriptors that kernels or users differ in: what fdinfo tells of them, and what it takes to make them again. */

import { closeSync, constants, openSync } from "node:fs";

import { native } from "../native.js";
import { CAP, hasCapability } from "../proc/capabilities.js";
import { YES, limited, no, read, type Answer, type Probe } from "./types.js";

export const DESCRIPTORS: readonly Probe[] = [
  { id: "file-locks", about: "locks of files", ask: locks },
  { id: "leases", about: "leases of files", ask: leases },
  { id: "eventfd", about: "eventfds in messages", ask: eventfd },
  { id: "inotify", about: "inotify watches", ask: inotify },
  { id: "pidfd", about: "pidfds of processes that have ended", ask: pidfd },
  { id: "pipes", about: "pipes of any capacity", ask: pipes },
  { id: "terminal-input", about: "unread input of pseudo-terminals", ask: terminalInput },
];

const MFD_CLOEXEC = 1;
const F_SETLEASE = 1024;
const F_RDLCK = 0;
const F_UNLCK = 2;

/** Of a file of our own that nobody writes to. */
function ownFile(): number {
  const memfd = native().memfdCreate("crctl-check", MFD_CLOEXEC);
  try {
    return openSync(`/proc/self/fd/${memfd}`, constants.O_RDONLY);
  } finally {
    closeSync(memfd);
  }
}

function withFd(fd: number, ask: (fd: number) => Answer): Answer {
  try {
    return ask(fd);
  } finally {
    closeSync(fd);
  }
}

function infoOf(fd: number): string {
  return read(`/proc/self/fdinfo/${fd}`) ?? "";
}

function locks(): Answer {
  return withFd(ownFile(), (fd) => {
    native().lock(fd);
    return /^lock:/m.test(infoOf(fd)) ? YES : no("the kernel does not tell of locks: they are lost by a dump");
  });
}

function leases(): Answer {
  return withFd(ownFile(), (fd) => {
    try {
      native().fcntlNumber(fd, F_SETLEASE, F_RDLCK);
      native().fcntlNumber(fd, F_SETLEASE, F_UNLCK);
      return YES;
    } catch {
      return no("the kernel gives none (sysctl fs.leases-enable): an image with leases cannot be restored here");
    }
  });
}

function eventfd(): Answer {
  return withFd(native().newEventfd(), (fd) =>
    /^eventfd-semaphore:/m.test(infoOf(fd))
      ? YES
      : limited(
          "this kernel does not say in /proc whether one is a semaphore, the module does: one that is in a message that has not been received is refused",
        ),
  );
}

/** IN_ONESHOT and IN_DELETE_SELF */
const ONESHOT = 0x80000000;
const DELETE_SELF = 0x400;
const EPERM = -1;

function inotify(): Answer {
  return withFd(native().newWatch("/", ONESHOT + DELETE_SELF), (fd) => {
    const mask = parseInt(/mask:([0-9a-f]+)/.exec(infoOf(fd))?.[1] ?? "0", 16);
    const flags = mask >= ONESHOT ? [] : ["this kernel does not tell the flags of a watch: a restored one is not IN_ONESHOT any more"];
    const names =
      native().openByHandle("/", 1, new Uint8Array(8)) === EPERM
        ? ["without CAP_DAC_READ_SEARCH what is watched is looked for through the file system, for 5 s at most"]
        : [];
    const why = [...flags, ...names].join("; ");
    return why === "" ? YES : limited(why);
  });
}

function pidfd(): Answer {
  if (!native().pidfdTellsExit()) return YES;
  return limited("this kernel tells the exit status by them, which restored ones do not");
}

function pipes(): Answer {
  const value = `up to ${read("/proc/sys/fs/pipe-max-size") ?? "?"} bytes`;
  if (hasCapability(CAP.SYS_RESOURCE)) return YES;
  return { ...limited("without CAP_SYS_RESOURCE larger ones cannot be restored (fs.pipe-max-size)"), value };
}

function terminalInput(): Answer {
  return hasCapability(CAP.SYS_ADMIN) ? YES : no("it takes CAP_SYS_ADMIN to restore (TIOCSTI): have it read before a dump");
}
