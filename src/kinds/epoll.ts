/**
 * Descriptors of epoll_create(2). What one watches is known by the number that each target had when it was added, and that may be
 * another's since; which description it is, kcmp(2) tells.
 */

import { closeSync } from "node:fs";

import type { EpollFile, EpollTarget } from "../image/schema.js";
import { native } from "../native.js";
import type { RestoreContext, RestoreHalf } from "../restore/context.js";
import { OP, type Op } from "../restore/plan.js";
import { anonymousName, refuseInfo } from "./anonymous.js";
import { placeMade } from "./open.js";
import { duplicateOf } from "./duplicates.js";
import { baseOf, descriptorOf, inodeOf, type DumpContext, type DumpHalf, type Found } from "./types.js";

/** EPOLLWAKEUP, EPOLLONESHOT, EPOLLET, EPOLLEXCLUSIVE: of a target whose one shot is spent nothing else is left. */
const HOW = 0xf0000000;
const EPOLLONESHOT = 0x40000000;
const EPOLLERR = 0x8;
const EPOLLHUP = 0x10;

// ---- dump ----

/** A line of fdinfo, proc(5): the number, what to wait for, the program's own 64 bits, and the inode (hex). */
const TARGET = /^tfd:\s*(\d+) events:\s*([0-9a-f]+) data:\s*([0-9a-f]+)\s+pos:-?\d+ ino:([0-9a-f]+) sdev:([0-9a-f]+)$/;

export const epollDump: DumpHalf = {
  claims: (found) => anonymousName(found) === "[eventpoll]",

  dump(found, context): EpollFile | undefined {
    const targets: EpollTarget[] = [];
    // targets that were added under the same number are told apart by their order
    const seen = new Map<number, number>();
    for (const line of found.info.extra) {
      const match = TARGET.exec(line);
      if (match === null) {
        refuseInfo(found, "epoll instance", context);
        return;
      }
      const [, tfd, events, data, ino, sdev] = match;
      const fd = Number(tfd);
      const nth = seen.get(fd) ?? 0;
      seen.set(fd, nth + 1);
      const inode = { ino: BigInt(`0x${ino ?? ""}`), sdev: BigInt(`0x${sdev ?? ""}`) };
      const file = findTarget(found, { fd, nth, inode }, context);
      if (file === undefined) {
        context.refuse({
          ...descriptorOf(found),
          object: "epoll instance",
          why: `it watches something that was descriptor ${fd}, and that no task of the tree has open any more`,
          hint: "let the program remove it from the epoll instance before it closes it",
        });
        return undefined;
      }
      targets.push({ fd, file, events: parseInt(events ?? "", 16), data: BigInt(`0x${data ?? ""}`) });
    }
    return { ...baseOf(found), kind: "epoll", targets, pending: isPending(found) };
  },
};

interface Wanted {
  fd: number;
  nth: number;
  inode: { ino: bigint; sdev: bigint };
}

/** By pid and descriptor. */
const descriptors = new WeakMap<DumpContext, ReadonlyMap<string, Found>>();

function descriptorsOf(context: DumpContext): ReadonlyMap<string, Found> {
  let table = descriptors.get(context);
  if (table === undefined) {
    table = new Map(context.files.flatMap((found) => found.holders.map(({ pid, fd }) => [`${pid} ${fd}`, found])));
    descriptors.set(context, table);
  }
  return table;
}

function findTarget(epoll: Found, { fd, nth, inode }: Wanted, context: DumpContext): number | undefined {
  // as a rule it still has its number
  for (const { pid } of epoll.holders) {
    const likely = descriptorsOf(context).get(`${pid} ${fd}`);
    if (likely !== undefined && firstOf([likely], epoll, { fd, nth }) !== undefined) return likely.id;
  }
  const sameInode = context.files.filter(({ stat }) => stat.ino === inode.ino && inodeOf(stat).sdev === inode.sdev);
  // the numbers that stat(2) has are not everywhere the kernel's own
  return (firstOf(sameInode, epoll, { fd, nth }) ?? firstOf(context.files, epoll, { fd, nth }))?.id;
}

/** The first of them that it watches under that number. */
function firstOf(candidates: readonly Found[], { holders: [epoll] }: Found, { fd, nth }: Pick<Wanted, "fd" | "nth">): Found | undefined {
  const index = native().epollTarget(
    epoll.pid,
    { efd: epoll.fd, tfd: fd, nth },
    candidates.map(({ holders: [first] }) => first.pid),
    candidates.map(({ holders: [first] }) => first.fd),
  );
  return candidates[index];
}

/** Whether the next epoll_wait(2) would find something. */
function isPending(found: Found): boolean {
  const [holder] = found.holders;
  const fd = duplicateOf(holder);
  try {
    return native().isReadable(fd);
  } finally {
    closeSync(fd);
  }
}

// ---- restore ----

export const epollRestore: RestoreHalf<EpollFile> = (files, context) => {
  // all of them first: one may watch another
  const slots = new Map(files.map((file) => [file, make(file, context)]));
  context.whenPlaced(() => {
    for (const [file, slot] of slots) watch(file, slot, context);
  });
};

function watch(file: EpollFile, slot: number, context: RestoreContext): void {
  for (const target of [...file.targets].sort((a, b) => Number(isSpent(b)) - Number(isSpent(a)))) add(file, target, slot, context);
  // An event that was told once would be told again by a target that is watched for changes: nothing was new when
  // it was dumped, so nothing is.
  if (!file.pending && file.targets.length > 0)
    context.finish({ type: OP.EPOLL_DRAIN, slot, arg: file.targets.length, subject: context.subject(file) });
}

function make(file: EpollFile, context: RestoreContext): number {
  const slot = context.slot();
  context.create({ type: OP.EPOLL, slot, subject: context.subject(file) });
  placeMade(file, slot, context);
  return slot;
}

function isSpent({ events }: EpollTarget): boolean {
  return (events & EPOLLONESHOT) !== 0 && (events & ~HOW) === 0;
}

function add(file: EpollFile, target: EpollTarget, slot: number, context: RestoreContext): void {
  const watched = context.file(target.file);
  const targetSlot = context.slotOf(target.file);
  if (watched === undefined || targetSlot === undefined) return; // that has been told
  const op: Op = {
    type: OP.EPOLL_ADD,
    slot,
    arg: targetSlot,
    flags: target.events,
    a: BigInt(target.fd),
    b: target.data,
    subject: context.subject(file),
  };
  // signals are those of the task that adds it; what a task hands on is there in those that have it
  const pid = ["signalfd", "pidfd", "process"].includes(watched.kind) ? context.subject(watched).pid : undefined;
  if (pid === undefined) context.create(op);
  // the others are there by then: to have this one tell and be spent could take what they have to tell
  else context.inTask(pid, isSpent(target) ? { ...op, flags: target.events | EPOLLERR | EPOLLHUP } : op);
}
