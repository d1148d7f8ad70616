/** Descriptors of ours on those of the tree. */

import { closeSync } from "node:fs";

import { native } from "../native.js";
import { S_IFSOCK, isType, type Found, type Holder } from "./types.js";

/** RLIMIT_NOFILE, in the order of native().rlimits() */
const NOFILE = 7;
/** Of the descriptors that we may have as many are kept, and not more than that at all. */
const SHARE = 4n;
const MOST = 8192n;

interface Duplicate {
  fd: number;
  users: number;
}

interface Kept {
  duplicates: Map<Found, Duplicate>;
  most: number;
  /** open dumps, by pid */
  dumps: ReadonlyMap<number, number>;
  /** the task that was asked last */
  task?: { pid: number; pidfd: number };
}

/** Undefined: none are kept. */
let kept: Kept | undefined;

/**
 * Sockets are asked again and again, and to duplicate one takes longer than to ask it: while `act` runs it is done once.
 * `dumps`: the open dumps of the tasks, by pid.
 */
export function keepDuplicates<T>(dumps: ReadonlyMap<number, number>, act: () => T): T {
  const limit = (native().rlimits(process.pid)[NOFILE]?.soft ?? 0n) / SHARE;
  const own: Kept = (kept = { duplicates: new Map(), dumps, most: Number(limit < MOST ? limit : MOST) });
  try {
    return act();
  } finally {
    kept = undefined;
    for (const { fd } of own.duplicates.values()) closeSync(fd);
    if (own.task !== undefined) closeSync(own.task.pidfd);
  }
}

/**
 * A descriptor of ours on the very description that a task has open. The caller closes it. Of a process whose first thread
 * has exited the open dump gives it: a pidfd leads to that thread, which has no descriptors, before Linux 6.9.
 */
export function duplicateOf({ pid, via, fd }: Pick<Holder, "pid" | "via" | "fd">): number {
  if (via !== pid) return duplicateOfThread(kept?.dumps.get(pid), via, fd);
  if (kept?.task?.pid === pid) return native().pidfdGetfd(kept.task.pidfd, fd);
  const pidfd = native().pidfdOpen(pid);
  if (kept !== undefined) {
    if (kept.task !== undefined) closeSync(kept.task.pidfd);
    kept.task = { pid, pidfd };
    return native().pidfdGetfd(pidfd, fd);
  }
  try {
    return native().pidfdGetfd(pidfd, fd);
  } finally {
    closeSync(pidfd);
  }
}

function duplicateOfThread(dump: number | undefined, tid: number, fd: number): number {
  if (dump !== undefined) return native().dumpedFile(dump, fd);
  const pidfd = native().pidfdOpen(tid, PIDFD_THREAD);
  try {
    return native().pidfdGetfd(pidfd, fd);
  } finally {
    closeSync(pidfd);
  }
}

/** pidfd_open(2): O_EXCL */
const PIDFD_THREAD = 0o200;

/** Acts on a descriptor of ours for it. */
export function withDuplicate<T>(found: Found, act: (fd: number) => T): T {
  const duplicates = kept?.duplicates;
  const known = duplicates?.get(found);
  const duplicate = known ?? { fd: duplicateOf(found.holders[0]), users: 0 };
  if (known === undefined && kept !== undefined && isType(found.stat, S_IFSOCK) && hasRoom(kept)) kept.duplicates.set(found, duplicate);
  duplicate.users++;
  try {
    return act(duplicate.fd);
  } finally {
    duplicate.users--;
    if (duplicates?.get(found) !== duplicate) closeSync(duplicate.fd);
  }
}

/** The oldest goes that nobody acts on. */
function hasRoom({ duplicates, most }: Kept): boolean {
  if (duplicates.size < most) return true;
  for (const [found, { fd, users }] of duplicates) {
    if (users > 0) continue;
    duplicates.delete(found);
    closeSync(fd);
    return true;
  }
  return false;
}
