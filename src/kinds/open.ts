/** What restore halves share: how a description is opened again. */

import type { FileIdentity, OpenFile } from "../image/schema.js";
import type { StatRecord } from "../native.js";
import { FASYNC, O_ACCMODE, O_DIRECT, O_NONBLOCK, O_PATH } from "../proc/fdinfo.js";
import type { RestoreContext } from "../restore/context.js";
import { OP } from "../restore/plan.js";

const O_APPEND = 0o2000;
const O_DSYNC = 0o10000;
const O_SYNC = 0o4010000;
const O_LARGEFILE = 0o100000;
const O_DIRECTORY = 0o200000;
const O_NOFOLLOW = 0o400000;
const O_NOATIME = 0o1000000;

/** Those that say how a description behaves. O_CREAT and its like have done their work, O_ASYNC waits for its owner. */
const KEPT = O_ACCMODE | O_APPEND | O_NONBLOCK | O_DSYNC | O_DIRECT | O_LARGEFILE | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_SYNC | O_PATH;

/** Those that fcntl(F_SETFL) can change. */
const SETTABLE = O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME;

/** Flags to open it with. O_TMPFILE contains O_DIRECTORY, and stays on files that were made by it. */
export function openFlags(file: OpenFile): number {
  const mayBeDirectory = file.kind === "directory" || file.kind === "path";
  return file.flags & (mayBeDirectory ? KEPT : KEPT & ~O_DIRECTORY);
}

/** Flags to set on a description that was not opened with them. */
export function settableFlags(file: OpenFile): number {
  return file.flags & SETTABLE;
}

export function accessMode(file: OpenFile): number {
  return file.flags & O_ACCMODE;
}

/** By its name. */
export function openNamed(file: OpenFile, identity: FileIdentity, stat: StatRecord, context: RestoreContext): number {
  const slot = context.slot();
  context.create({
    type: OP.OPEN,
    slot,
    flags: openFlags(file),
    a: stat.ino,
    b: stat.dev,
    data: identity.path,
    subject: context.subject(file),
  });
  context.place(file, slot);
  setOwner(file, slot, context);
  return slot;
}

/** As another description of what `from` leads to. */
export function openAgain(file: OpenFile, from: number, context: RestoreContext): number {
  const slot = context.slot();
  // O_NOFOLLOW would refuse the link in /proc through which it is opened
  const flags = openFlags(file) & ~O_NOFOLLOW;
  context.create({ type: OP.REOPEN, slot, arg: from, flags, subject: context.subject(file) });
  context.place(file, slot);
  setOwner(file, slot, context);
  return slot;
}

/** What was made in a way of its own, without flags: it gets them here. */
export function placeMade(file: OpenFile, slot: number, context: RestoreContext): void {
  const flags = settableFlags(file);
  if (flags !== 0) context.create({ type: OP.SETFL, slot, flags, subject: context.subject(file) });
  context.place(file, slot);
  setOwner(file, slot, context);
}

export function seek(file: OpenFile & { position: bigint }, slot: number, context: RestoreContext): void {
  if (file.position === 0n) return;
  context.create({ type: OP.SEEK, slot, a: file.position, subject: context.subject(file) });
}

/** Who gets SIGIO: only once all tasks are there, and what is unread has been put there. */
export function setOwner(file: OpenFile, slot: number, context: RestoreContext): void {
  if (file.owner === undefined) return;
  const { pid, type, signal } = file.owner;
  const subject = context.subject(file);
  context.arm({
    type: OP.OWNER,
    slot,
    arg: pid,
    flags: settableFlags(file) | (file.flags & FASYNC),
    a: BigInt(type),
    // the signal tells of a descriptor by its number in the task
    b: BigInt(signal) | (BigInt(subject.fd ?? 0) << 32n),
    subject,
  });
}
