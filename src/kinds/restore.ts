/** The table of restore halves. A kind of the schema without one does not compile. */

import type { OpenFile } from "../image/schema.js";
import type { RestoreContext, RestoreHalf } from "../restore/context.js";
import { deviceRestore } from "./device.js";
import { directoryRestore } from "./directory.js";
import { epollRestore } from "./epoll.js";
import { eventfdRestore } from "./eventfd.js";
import { externalRestore } from "./external.js";
import { fifoRestore } from "./fifo.js";
import { inotifyRestore } from "./inotify.js";
import { restoreLocks } from "./locks.js";
import { memfdRestore } from "./memfd.js";
import { mqueueRestore } from "./mqueue.js";
import { netlinkRestore } from "./netlink.js";
import { pathRestore } from "./path.js";
import { pidfdRestore } from "./pidfd.js";
import { processFileRestore } from "./procfile.js";
import { pipeRestore } from "./pipe.js";
import { ptyRestore } from "./pty.js";
import { regularRestore } from "./regular.js";
import { signalfdRestore } from "./signalfd.js";
import { tcpRestore } from "./tcp/restore.js";
import { timerfdRestore } from "./timerfd.js";
import { udpRestore } from "./udp.js";
import { unixRestore } from "./unix/restore.js";

type Kind = OpenFile["kind"];
type Of<K extends Kind> = Extract<OpenFile, { kind: K }>;

const KINDS: { readonly [K in Kind]: RestoreHalf<Of<K>> } = {
  regular: regularRestore,
  directory: directoryRestore,
  path: pathRestore,
  device: deviceRestore,
  pipe: pipeRestore,
  fifo: fifoRestore,
  memfd: memfdRestore,
  mqueue: mqueueRestore,
  external: externalRestore,
  pty: ptyRestore,
  eventfd: eventfdRestore,
  timerfd: timerfdRestore,
  signalfd: signalfdRestore,
  unix: unixRestore,
  tcp: tcpRestore,
  udp: udpRestore,
  netlink: netlinkRestore,
  pidfd: pidfdRestore,
  process: processFileRestore,
  inotify: inotifyRestore,
  epoll: epollRestore, // last: it watches the others
};

export function restoreDescriptions(files: readonly OpenFile[], context: RestoreContext): void {
  for (const kind of Object.keys(KINDS) as Kind[]) restoreKind(kind, files, context);
  restoreLocks(files, context);
}

// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- ties the files to the function that takes them
function restoreKind<K extends Kind>(kind: K, files: readonly OpenFile[], context: RestoreContext): void {
  const own = files.filter((file): file is Of<K> => file.kind === kind);
  if (own.length > 0) KINDS[kind](own, context);
}
