/**
 * File locks, as /proc/<pid>/fdinfo lists them. Those of flock(2), those of fcntl(F_OFD_SETLK) and leases belong to an open file
 * description, those of fcntl(F_SETLK) to a process.
 */

import type { DescriptionLock, LockedRange, OpenFile, ProcessLock } from "../image/schema.js";
import type { RestoreContext } from "../restore/context.js";
import { LOCK, OP } from "../restore/plan.js";
import { descriptorOf, type DumpContext, type Found, type Holder } from "./types.js";

/** What problems and failures about one call it. */
export const LOCK_OBJECT = "file lock";

const F_RDLCK = 0;
const F_WRLCK = 1;

// ---- dump ----

interface Lock extends LockedRange {
  type: "flock" | "ofd" | "lease" | "posix";
}

const TYPES: Readonly<Record<string, Lock["type"]>> = {
  "FLOCK ADVISORY": "flock",
  "OFDLCK ADVISORY": "ofd",
  "POSIX ADVISORY": "posix",
  "LEASE ACTIVE": "lease",
};

/** "1: POSIX  ADVISORY  WRITE 412 fe:01:1573 0 EOF": the last byte is part of it. Undefined: not known. */
export function parseLock(line: string): Lock | undefined {
  const match = /^\d+: (\w+ +\w+) +(READ|WRITE) +-?\d+ \S+ (\d+) (\d+|EOF)$/.exec(line);
  const type = TYPES[(match?.[1] ?? "").replace(/ +/, " ")];
  if (match === null || type === undefined) return undefined;
  const start = BigInt(match[3] ?? 0);
  return { type, write: match[2] === "WRITE", start, length: match[4] === "EOF" ? 0n : BigInt(match[4] ?? 0) - start + 1n };
}

function locksOf(holder: Holder): Lock[] {
  return holder.locks.map(parseLock).filter((lock) => lock !== undefined);
}

/** Whether the description holds a lease, whose owner gets a signal when it is to end. */
export function hasLease(found: Found): boolean {
  return locksOf(found.holders[0]).some(({ type }) => type === "lease");
}

/** What belongs to the description, which each of its holders shows; undefined: something has been refused. */
export function dumpLocks(found: Found, file: OpenFile, context: DumpContext): DescriptionLock[] | undefined {
  for (const line of found.holders.flatMap(({ locks }) => locks)) {
    const why = whyNot(parseLock(line), file);
    if (why === undefined) continue;
    context.refuse({
      ...descriptorOf(found),
      object: LOCK_OBJECT,
      why: `${why} (${line.replace(/\s+/g, " ")})`,
      hint: "let the program release its lock first",
    });
    return undefined;
  }
  return locksOf(found.holders[0]).flatMap(({ type, ...range }) => (type === "posix" ? [] : [{ type, ...range }]));
}

function whyNot(lock: Lock | undefined, file: OpenFile): string | undefined {
  if (lock === undefined) return "file locks of this kind are not saved yet";
  if (file.kind === "external") return "it is on something that is handed over at restore";
  if (file.kind === "pidfd" || file.kind === "process") return "locks of pidfds and of files of /proc/<pid> are not saved";
  if (lock.type === "lease" && (file.kind !== "regular" || file.identity.deleted)) return "a lease is saved on a file that has a name only";
  return undefined;
}

/** By pid; each lock once, under the lowest descriptor through which it was taken. */
export function processLocks(files: readonly Found[]): Map<number, ProcessLock[]> {
  const locks = new Map<number, ProcessLock[]>();
  for (const { holders } of files) {
    const seen = new Set<number>();
    for (const holder of holders) {
      const { pid, fd } = holder;
      if (seen.has(pid)) continue;
      seen.add(pid);
      const own = locksOf(holder).flatMap(({ type, ...range }) => (type === "posix" ? [{ fd, ...range }] : []));
      if (own.length > 0) locks.set(pid, [...(locks.get(pid) ?? []), ...own]);
    }
  }
  return locks;
}

// ---- restore ----

/** What belongs to descriptions, once these are there. Locks of processes: see ManifestDraft. */
export function restoreLocks(files: readonly OpenFile[], context: RestoreContext): void {
  for (const file of files) {
    const slot = context.slotOf(file.id);
    if (slot === undefined) continue; // that has been told
    for (const { type, write, start, length } of file.locks ?? []) {
      const subject = { ...context.subject(file), object: LOCK_OBJECT };
      const op = { type: OP.LOCK, slot, flags: write ? F_WRLCK : F_RDLCK, a: start, b: length, subject };
      if (type === "lease") {
        // after its owner has been set, who would be the executor otherwise, and when nobody opens the file any more
        context.arm({ ...op, arg: LOCK.LEASE, b: BigInt(subject.fd ?? 0) });
      } else {
        context.create({ ...op, arg: type === "ofd" ? LOCK.OFD : LOCK.FLOCK });
      }
    }
  }
}
