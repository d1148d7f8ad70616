/**
 * POSIX message queues, mq_overview(7). Whoever receives a message takes it, and whoever puts one back may wake somebody: what is in a
 * queue is told by the module.
 */

import { closeSync, readFileSync } from "node:fs";
import { randomBytes } from "node:crypto";

import { DESCRIPTOR_WHAT, MQUEUE_FLAG, MqueueMessage, MqueueNote, type MqueueNoteRecord } from "../image/layout.js";
import type { MqueueFile, PosixQueue } from "../image/schema.js";
import { native, type MqueueState, type StatRecord } from "../native.js";
import { CAP, hasCapability } from "../proc/capabilities.js";
import { O_PATH } from "../proc/fdinfo.js";
import { parseStat } from "../proc/stat.js";
import type { RestoreContext, RestoreHalf } from "../restore/context.js";
import { MQUEUE, OP, PlanMqueue, PlanPosted, type Op, type Subject } from "../restore/plan.js";
import { withDuplicate } from "./duplicates.js";
import { openAgain, openFlags, seek, setOwner } from "./open.js";
import { MESSAGE_QUEUE, specialName } from "./special.js";
import { baseOf, descriptorOf, inodeKey, type DumpContext, type DumpHalf, type Found } from "./types.js";

const OBJECT = "POSIX message queue";

const SIGEV_SIGNAL = 0;
const SIGEV_NONE = 1;
const SIGEV_THREAD = 2;

const DELETED = " (deleted)";
const PERMISSIONS = 0o7777;
const O_LARGEFILE = 0o100000;
const ENOENT = -2;

export function isMqueue(found: Found): boolean {
  return specialName(found) === MESSAGE_QUEUE;
}

// ---- dump ----

interface Obstacle {
  why: string;
  hint: string;
  code?: "E_EXTERNAL";
}

interface Message {
  priority: number;
  data: Uint8Array;
}

export const mqueueDump: DumpHalf = {
  claims: (found) => isMqueue(found) && (found.info.flags & O_PATH) === 0,

  dump(found, context): MqueueFile | undefined {
    const base = { ...baseOf(found), kind: "mqueue", ino: found.stat.ino, position: found.info.position } as const;
    // all that lead to one queue need it once
    if (openings(found, context).find(({ info }) => (info.flags & O_PATH) === 0) !== found) return base;
    const queue = dumpQueue(found, context);
    if (!("why" in queue)) return { ...base, queue };
    context.refuse({ ...descriptorOf(found), object: OBJECT, ...queue });
    return undefined;
  },

  look(found, context) {
    const state = withDuplicate(found, (fd) => native().mqueueState(fd));
    const user = context.outsideUser(found.stat);
    const obstacle = user === undefined ? (state.notify === SIGEV_THREAD ? BY_THREAD : undefined) : usedBy(user);
    if (obstacle !== undefined) context.refuse({ ...descriptorOf(found), object: OBJECT, ...obstacle });
    return undefined;
  },
};

/** Descriptions of the tree that lead to the same queue. */
function openings({ stat }: Found, context: DumpContext): Found[] {
  return context.files.filter((other) => inodeKey(other.stat) === inodeKey(stat));
}

const BY_THREAD: Obstacle = {
  why: "a process is to be notified of a message by a thread (SIGEV_THREAD), for which its C library has a socket that only the kernel knows of",
  hint: "let the program end that with mq_notify(3), or be notified by a signal",
};

const SHARED_HINT = "dump a tree that has all tasks that share it";

function usedBy(user: string): Obstacle {
  return { code: "E_EXTERNAL", why: `${user}, which is not in the tree, has it open too`, hint: SHARED_HINT };
}

function dumpQueue(found: Found, context: DumpContext): PosixQueue | Obstacle {
  const all = openings(found, context);
  const told = all.map(({ untoldData }) => untoldData.get(DESCRIPTOR_WHAT.MQUEUE)).find((data) => data !== undefined);
  if (told === undefined) {
    return {
      why: "the module does not know how this kernel keeps messages, or it is in a message that was not received",
      hint: "let the program close it before the dump",
    };
  }
  const view = new DataView(told.buffer, told.byteOffset, told.byteLength);
  const head = MqueueNote.read(view, 0);
  const obstacle = obstacleOf(head, found, context) ?? usersOf(head, all, context);
  if (obstacle !== undefined) return obstacle;
  const messages = (head.flags & MQUEUE_FLAG.UNTOLD) === 0 ? readMessages(told, head.messages) : undefined;
  if (messages === undefined) return { why: "it holds more than can be saved", hint: "let the program read some of its messages first" };
  const state = withDuplicate(found, (fd) => native().mqueueState(fd));
  if (!isWhatItTells(head, messages, state)) {
    return {
      why: "what the module has read is not what the queue tells of itself",
      hint: "is the module built for another kernel, or does somebody use the queue?",
    };
  }
  const name = nameOf(found);
  if (name === undefined) return { why: "its name is not UTF-8, which images hold no other", hint: "give it another name" };
  const { dev, mode, uid, gid, mtimeNs, nlink } = found.stat;
  return {
    name,
    deleted: nlink === 0,
    dev,
    mode: mode & PERMISSIONS,
    uid,
    gid,
    mtimeNs,
    maxMessages: head.max_messages,
    messageSize: head.message_size,
    messages,
    ...((head.flags & MQUEUE_FLAG.NOTIFY) === 0 ? {} : { notify: notificationOf(head) }),
  };
}

function obstacleOf({ flags, notify, notify_pid: pid }: MqueueNoteRecord, found: Found, context: DumpContext): Obstacle | undefined {
  if ((flags & MQUEUE_FLAG.ELSEWHERE) !== 0) {
    return { why: "it is of another ipc namespace than crctl", hint: "run crctl in the namespace of the tree" };
  }
  if ((flags & MQUEUE_FLAG.WAITED) !== 0) {
    return usedBy(context.outsideUser(found.stat) ?? "a task");
  }
  if ((flags & MQUEUE_FLAG.NOTIFY) === 0) return undefined;
  if (!context.inTree(pid)) {
    return { code: "E_EXTERNAL", why: `process ${pid}, which is not in the tree, is to be notified of a message`, hint: SHARED_HINT };
  }
  return notify === SIGEV_THREAD ? BY_THREAD : undefined;
}

/** The kernel counts how often it is open: only who makes the difference is looked for. */
function usersOf({ opened }: MqueueNoteRecord, all: readonly Found[], context: DumpContext): Obstacle | undefined {
  const [first] = all;
  if (first === undefined || opened <= all.length) return undefined;
  const user = context.outsideUser(first.stat);
  if (user !== undefined) return usedBy(user);
  // whoever looks at a link in /proc has it open for a moment, too
  return context.blind ? usedBy("a task of another user") : undefined;
}

function readMessages(bytes: Uint8Array, count: number): Message[] | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const messages: Message[] = [];
  let at: number = MqueueNote.size;
  while (at + MqueueMessage.size <= bytes.length) {
    const { priority, size } = MqueueMessage.read(view, at);
    at += MqueueMessage.size;
    if (size > bytes.length - at) return undefined;
    messages.push({ priority, data: bytes.slice(at, at + size) });
    at += size;
  }
  return at === bytes.length && messages.length === count ? messages : undefined;
}

/** mq_getattr(3) and the queue's file against what lies in the kernel's memory. */
export function isWhatItTells(head: MqueueNoteRecord, messages: readonly Message[], state: MqueueState): boolean {
  const bytes = messages.reduce((sum, { data }) => sum + BigInt(data.length), 0n);
  return (
    head.max_messages === state.maxMessages &&
    head.message_size === state.messageSize &&
    head.messages === state.messages &&
    messages.length === state.messages &&
    bytes === head.bytes &&
    // of one that is open for writing only the file cannot be read
    (state.bytes === undefined || state.bytes === bytes) &&
    messages.every(
      ({ priority, data }, i) => BigInt(data.length) <= state.messageSize && priority <= (messages[i - 1]?.priority ?? priority),
    )
  );
}

/** Its link is "/name", or that of a file in a mqueue file system that is mounted. */
function nameOf({ link, stat }: Found): string | undefined {
  const path = stat.nlink === 0 && link.endsWith(DELETED) ? link.slice(0, -DELETED.length) : link;
  const name = path.slice(path.lastIndexOf("/") + 1);
  return name === "" || name.includes("\uFFFD") ? undefined : name;
}

function notificationOf(head: MqueueNoteRecord): NonNullable<PosixQueue["notify"]> {
  const { flags, notify, notify_pid: pid, notify_signal: signal, notify_value: value } = head;
  if (notify !== SIGEV_SIGNAL) return { pid, method: "none", signal: 0, value: 0n };
  // the kernel sends none to a program that has not asked for it; a signal 0 is as good
  return { pid, method: "signal", signal: (flags & MQUEUE_FLAG.DEAF) === 0 ? signal : 0, value };
}

// ---- restore ----

export const mqueueRestore: RestoreHalf<MqueueFile> = (files, context) => {
  const queues = files.filter((file): file is MqueueFile & { queue: PosixQueue } => file.queue !== undefined);
  // one that was deleted may have the name of one that was not
  for (const first of queues.sort((a, b) => Number(b.queue.deleted) - Number(a.queue.deleted))) {
    const all = files.filter(({ ino }) => ino === first.ino);
    restoreQueue(first, all, context);
  }
};

function restoreQueue(first: MqueueFile & { queue: PosixQueue }, all: readonly MqueueFile[], context: RestoreContext): void {
  const { queue, ino } = first;
  const subject: Subject = { ...context.subject(first), object: OBJECT, path: `/${queue.name}` };
  if (!isWithinLimits(queue, subject, context)) return;
  const there = lookAt(queue.name);
  const target = queue.deleted
    ? { name: there === undefined ? queue.name : `crctl-${randomBytes(8).toString("hex")}` }
    : takeOver(queue, ino, { there, subject }, context);
  if (target === undefined) return;
  const slot = context.slot();
  context.create({ type: OP.MQUEUE, slot, data: encodeQueue(queue, ino, target), subject });
  for (const file of all) restoreDescription(file, slot, context);
  context.create({ type: OP.CHOWN, slot, a: BigInt(queue.uid), b: BigInt(queue.gid), flags: queue.mode, subject });
  if (queue.deleted) context.create({ type: OP.MQUEUE_UNLINK, slot, subject });
  context.scratch(slot);
}

function restoreDescription(file: MqueueFile, queue: number, context: RestoreContext): void {
  // open(2) sets this flag, mq_open(3) does not
  if ((file.flags & O_LARGEFILE) !== 0) {
    seek(file, openAgain(file, queue, context), context);
    return;
  }
  const slot = context.slot();
  context.create({ type: OP.MQUEUE_OPEN, slot, arg: queue, flags: openFlags(file), subject: context.subject(file) });
  context.place(file, slot);
  setOwner(file, slot, context);
  seek(file, slot, context);
}

interface Target {
  name: string;
  /** MQUEUE.* */
  flags?: number;
}

interface There {
  stat: StatRecord;
  state: MqueueState;
}

/** The queue that has the name now; a number: why it cannot be looked at. */
function lookAt(name: string): There | number | undefined {
  const fd = native().mqueueOpen(name);
  if (fd < 0) return fd === ENOENT ? undefined : fd;
  try {
    const [stat] = native().stats([`/proc/self/fd/${fd}`], true);
    return typeof stat === "object" ? { stat, state: native().mqueueState(fd) } : (stat ?? ENOENT);
  } finally {
    closeSync(fd);
  }
}

/** One that is still there lives on; undefined: something stands in the way, and that has been told. */
function takeOver(
  queue: PosixQueue,
  ino: bigint,
  { there, subject }: { there: There | number | undefined; subject: Subject },
  context: RestoreContext,
): Target | undefined {
  const { name } = queue;
  if (there === undefined) return { name };
  const hint = "mq_unlink(3) removes one that nobody needs, or rm(1) where a file system of type mqueue is mounted";
  const obstacle = obstacleTo(queue, ino, there, context);
  if (obstacle !== undefined || typeof there === "number") {
    context.refuse({ ...subject, code: "E_CONFLICT", why: obstacle ?? "", hint });
    return undefined;
  }
  const { stat, state } = there;
  // every message that comes or goes sets it
  if (stat.mtimeNs === queue.mtimeNs && state.messages === queue.messages.length) return { name, flags: MQUEUE.TAKE };
  context.note(
    `message queue /${name} is there, open nowhere: in place of its ${state.messages} messages it gets those of the image, ${queue.messages.length}`,
  );
  return { name, flags: MQUEUE.TAKE | MQUEUE.REFILL };
}

/** Why the one that is there cannot be taken over. */
function obstacleTo(queue: PosixQueue, ino: bigint, there: There | number, { sameBoot }: RestoreContext): string | undefined {
  if (typeof there === "number") return `a message queue has its name, and cannot be looked at: error ${-there}`;
  if (!sameBoot || !isTheSame(queue, ino, there)) return "another message queue has its name";
  const user = userOf(there.stat);
  return user === undefined ? undefined : `it is there, and ${user} has it open`;
}

export function isTheSame(queue: PosixQueue, ino: bigint, { stat, state }: There): boolean {
  return stat.ino === ino && stat.dev === queue.dev && state.maxMessages === queue.maxMessages && state.messageSize === queue.messageSize;
}

/** A task that has it open, in words. */
function userOf({ dev, ino }: StatRecord): string | undefined {
  const pids = native()
    .listNumbers("/proc")
    .filter((pid) => pid !== process.pid);
  const user = native()
    .fileHolders(pids, dev)
    .find((holder) => holder.ino === ino);
  if (user === undefined) return undefined;
  const [text] = native().readTexts([`/proc/${user.pid}/stat`]);
  return `process ${user.pid}${typeof text === "string" ? ` (${parseStat(text).comm})` : ""}`;
}

function isWithinLimits({ maxMessages, messageSize }: PosixQueue, subject: Subject, context: RestoreContext): boolean {
  if (hasCapability(CAP.SYS_RESOURCE)) return true;
  const over = [
    ["msg_max", maxMessages],
    ["msgsize_max", messageSize],
  ] as const;
  for (const [name, value] of over) {
    if (value <= BigInt(readFileSync(`/proc/sys/fs/mqueue/${name}`, "latin1"))) continue;
    context.refuse({
      ...subject,
      code: "E_PERMISSION",
      why: `it is larger than fs.mqueue.${name} allows, which takes CAP_SYS_RESOURCE`,
      hint: `run crctl restore as root, or raise fs.mqueue.${name} to ${value}`,
    });
    return false;
  }
  return true;
}

/** struct plan_mqueue, the name, and struct plan_posted for each message */
function encodeQueue(queue: PosixQueue, ino: bigint, { name, flags = 0 }: Target): Uint8Array[] {
  const text = Buffer.from(name, "utf8");
  const head = new Uint8Array(align8(PlanMqueue.size + text.length + 1));
  PlanMqueue.write(new DataView(head.buffer), 0, {
    max_messages: queue.maxMessages,
    message_size: queue.messageSize,
    ino,
    dev: queue.dev,
    flags,
    name_len: text.length,
  });
  head.set(text, PlanMqueue.size);
  const messages = queue.messages.map(({ priority, data }) => {
    const bytes = new Uint8Array(align8(PlanPosted.size + data.length));
    PlanPosted.write(new DataView(bytes.buffer), 0, { priority, len: data.length });
    bytes.set(data, PlanPosted.size);
    return bytes;
  });
  return [head, ...messages];
}

function align8(size: number): number {
  return Math.ceil(size / 8) * 8;
}

/** What a task asks for itself, in its manifest: closing any descriptor of the queue, as execve(2) does, would end it. */
export function notificationsOf(
  pid: number,
  descriptors: readonly { fd: number; file: number }[],
  files: readonly { id: number; kind: string }[],
): { fd: number; notify: number; signal: number; value: bigint }[] {
  const queues = files.filter((file): file is MqueueFile => file.kind === "mqueue");
  return queues.flatMap(({ ino, queue }) => {
    const notify = queue?.notify;
    if (notify?.pid !== pid) return [];
    const own = descriptors.find(({ file }) => queues.some((other) => other.id === file && other.ino === ino));
    if (own === undefined) return [];
    const { method, signal, value } = notify;
    return [{ fd: own.fd, notify: method === "signal" ? SIGEV_SIGNAL : SIGEV_NONE, signal, value }];
  });
}

/** What a restore has made, where its executor was killed and nobody has removed it: as that has told, "mqueue 5 4711". */
export function removeMqueues(made: readonly string[], create: readonly Op[]): void {
  for (const text of made) {
    const [kind, slot, ino] = text.split(" ");
    if (kind !== "mqueue") continue;
    const op = create.find((candidate) => candidate.type === OP.MQUEUE && candidate.slot === Number(slot));
    const [head] = Array.isArray(op?.data) ? (op.data as readonly Uint8Array[]) : [];
    if (head === undefined) continue;
    const { name_len: length } = PlanMqueue.read(new DataView(head.buffer, head.byteOffset, head.byteLength), 0);
    native().removeMqueue(Buffer.from(head.subarray(PlanMqueue.size, PlanMqueue.size + length)).toString(), BigInt(ino ?? 0));
  }
}
