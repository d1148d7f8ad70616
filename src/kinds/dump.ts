/** The table of kinds of descriptors. */

import { closeSync } from "node:fs";

import type { OpenFile } from "../image/schema.js";
import { native } from "../native.js";
import { FASYNC } from "../proc/fdinfo.js";
import { deviceDump } from "./device.js";
import { directoryDump } from "./directory.js";
import { duplicateOf } from "./duplicates.js";
import { epollDump } from "./epoll.js";
import { eventfdDump } from "./eventfd.js";
import { externalDump } from "./external.js";
import { fifoDump } from "./fifo.js";
import { inotifyDump } from "./inotify.js";
import { dumpLocks, hasLease } from "./locks.js";
import { memfdDump } from "./memfd.js";
import { mqueueDump } from "./mqueue.js";
import { netlinkDump } from "./netlink.js";
import { pathDump } from "./path.js";
import { pidfdDump } from "./pidfd.js";
import { processFileDump } from "./procfile.js";
import { pipeDump } from "./pipe.js";
import { ptyDump } from "./pty.js";
import { refuseDescriptor } from "./refused.js";
import { regularDump } from "./regular.js";
import { signalfdDump } from "./signalfd.js";
import { isSpecial } from "./special.js";
import { tcpDump } from "./tcp/dump.js";
import { timerfdDump } from "./timerfd.js";
import { udpDump } from "./udp.js";
import { unixDump } from "./unix/dump.js";
import { type DumpContext, type DumpHalf, type Found } from "./types.js";

/** The first that claims a description saves it. */
const KINDS: readonly DumpHalf[] = [
  pathDump, // before all: such a descriptor is a name, whatever it names
  memfdDump, // before regular: it looks like a deleted file
  mqueueDump, // before regular: it looks like a file
  processFileDump, // before regular, which refuses what is in /proc/<pid>
  regularDump,
  directoryDump,
  deviceDump,
  pipeDump,
  fifoDump,
  eventfdDump,
  timerfdDump,
  signalfdDump,
  epollDump,
  unixDump, // before external: a socket whose other end is in the tree
  tcpDump,
  udpDump,
  netlinkDump,
  ptyDump, // before external: only where the master is elsewhere it is that
  pidfdDump,
  inotifyDump,
  externalDump,
];

/** All open file descriptions of the tree are known afterwards. */
export function prepareDescriptions(context: DumpContext): void {
  for (const kind of KINDS) kind.prepare?.(context);
}

/** undefined: refused */
export function dumpDescription(found: Found, context: DumpContext): OpenFile | undefined {
  const kind = kindOf(found, context);
  const file = kind?.dump(found, context);
  if (file === undefined) return undefined;
  const locks = dumpLocks(found, file, context);
  if (locks === undefined) return undefined;
  return {
    ...file,
    ...((found.info.flags & FASYNC) !== 0 || hasLease(found) ? { owner: ownerOf(found) } : {}),
    ...(locks.length > 0 ? { locks } : {}),
  };
}

/** The same of a tree that runs: what cannot be saved is refused, as far as that can be told. */
export function lookAtDescription(found: Found, context: DumpContext): OpenFile | undefined {
  const kind = kindOf(found, context);
  const file = kind?.look === undefined ? kind?.dump(found, context) : kind.look(found, context);
  return file === undefined || dumpLocks(found, file, context) === undefined ? undefined : file;
}

function kindOf(found: Found, context: DumpContext): DumpHalf | undefined {
  const kind = isSpecial(found) ? undefined : KINDS.find((candidate) => candidate.claims(found, context));
  if (kind === undefined) refuseDescriptor(found, context);
  return kind;
}

/** Who gets SIGIO. Only asked where O_ASYNC is set or there is a lease: without these the owner has no effect. */
function ownerOf(found: Found): { pid: number; type: number; signal: number } {
  const [holder] = found.holders;
  const fd = duplicateOf(holder);
  try {
    return native().fileOwner(fd);
  } finally {
    closeSync(fd);
  }
}
