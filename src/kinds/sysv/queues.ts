/** System V message queues that a task has sent to or received from last, or waits for, with what is in them. */

import { readFileSync } from "node:fs";

import type { MessageQueue } from "../../image/schema.js";
import { native } from "../../native.js";
import { CAP, hasCapability } from "../../proc/capabilities.js";
import { readQueues, type QueueStat } from "../../proc/sysvipc.js";
import type { RestoreContext } from "../../restore/context.js";
import { OP } from "../../restore/plan.js";
import {
  checkUsers,
  conflictWith,
  encodeSysv,
  hasSameCreator,
  QUEUE_OBJECT,
  restoreObjects,
  subjectIn,
  sysvText,
  type Conflict,
  type Kind,
  type Users,
} from "./objects.js";

const KIND: Kind = { name: "message queue", object: QUEUE_OBJECT, option: "-q" };

const EINVAL = -22;
const ENOSYS = -38;
const ENOMSG = -42;
const EIDRM = -43;
const EACCES = -13;

// ---- dump ----

/** `sleeping`: ids of queues that tasks were in msgsnd(2) or msgrcv(2) on. */
export function dumpQueues(sleeping: ReadonlySet<number>, users: Users): MessageQueue[] {
  return readQueues().flatMap((queue): MessageQueue[] => {
    const { lastSender, lastReceiver } = queue;
    if (!sleeping.has(queue.id) && ![lastSender, lastReceiver].some((pid) => pid > 0 && users.inTree(pid))) return [];
    const record = native().messageQueue(queue.id);
    if (typeof record === "number") {
      if (record !== EIDRM) refuseUnread(queue, record, users);
      return [];
    }
    checkUsers([record.lastSender, record.lastReceiver], users, { kind: KIND, object: queue, did: "sent to it or received from it" });
    const { id, key, mode, uid, gid, cuid, cgid } = queue;
    const [sender, receiver] = [record.lastSender, record.lastReceiver].map((pid) => (users.inTree(pid) ? pid : 0));
    const { maxBytes, messages } = record;
    return [{ id, key, mode, uid, gid, cuid, cgid, maxBytes, lastSender: sender ?? 0, lastReceiver: receiver ?? 0, messages }];
  });
}

function refuseUnread(queue: QueueStat, error: number, users: Users): void {
  const about = { object: KIND.object };
  const what = `${KIND.name} ${sysvText(queue)}`;
  switch (error) {
    case EACCES:
      users.refuse({ ...about, code: "E_PERMISSION", why: `${what} cannot be read`, hint: "run crctl dump as root" });
      break;
    case ENOSYS:
      users.refuse({ ...about, why: `${what}: this kernel cannot look at messages (CONFIG_CHECKPOINT_RESTORE)` });
      break;
    case EINVAL:
      users.refuse({ ...about, why: `${what} holds a message larger than kernel.msgmax`, hint: "raise kernel.msgmax" });
      break;
    case ENOMSG:
      users.refuse({ ...about, code: "E_EXTERNAL", why: `${what}: somebody who is not in the tree has received from it just now` });
      break;
    default:
      users.refuse({ ...about, why: `${what} cannot be read: error ${-error}` });
  }
}

// ---- restore ----

/** `outsider`: a live process, in words. */
export function restoreQueues(
  queues: readonly MessageQueue[],
  context: RestoreContext,
  outsider: (pid: number) => string | undefined,
): void {
  restoreObjects(queues, context, {
    kind: KIND,
    holds: "messages",
    table: readQueues,
    fits: (queue) => isWithinLimits(queue, context),
    conflict: (queue, table) => queueConflict(queue, table, outsider),
    plan: (queue, taken) => planQueue(queue, taken, context),
  });
}

export function queueConflict(
  queue: MessageQueue,
  table: readonly QueueStat[],
  outsider: (pid: number) => string | undefined,
): Conflict | undefined {
  return conflictWith(KIND, queue, table, {
    isTheSame: (there) => hasSameCreator(queue, there),
    used: ({ lastSender, lastReceiver }) => {
      const user = outsider(lastSender) ?? outsider(lastReceiver);
      return user === undefined ? undefined : `${user} has sent to it or received from it last`;
    },
  });
}

/** What it needs to be filled: it may have been made to hold less than it held. */
function neededBytes({ maxBytes, messages }: MessageQueue): bigint {
  const held = messages.reduce((sum, { data }) => sum + BigInt(data.length), 0n);
  return [maxBytes, held, BigInt(messages.length)].reduce((most, some) => (some > most ? some : most));
}

function isWithinLimits(queue: MessageQueue, context: RestoreContext): boolean {
  const what = `${KIND.name} ${sysvText(queue)}`;
  const largest = queue.messages.reduce((size, { data }) => Math.max(size, data.length), 0);
  if (largest > limit("msgmax")) {
    const why = `${what} holds a message of ${largest} bytes, more than kernel.msgmax`;
    context.refuse({ object: QUEUE_OBJECT, code: "E_NO_SPACE", why, hint: "raise kernel.msgmax" });
    return false;
  }
  if (neededBytes(queue) > BigInt(limit("msgmnb")) && !hasCapability(CAP.SYS_RESOURCE)) {
    const why = `${what} holds more than kernel.msgmnb, which takes CAP_SYS_RESOURCE`;
    context.refuse({ object: QUEUE_OBJECT, code: "E_PERMISSION", why, hint: "run crctl restore as root, or raise kernel.msgmnb" });
    return false;
  }
  return true;
}

function limit(name: string): number {
  return Number(readFileSync(`/proc/sys/kernel/${name}`, "latin1"));
}

function planQueue(queue: MessageQueue, taken: boolean, context: RestoreContext): void {
  const { maxBytes, lastSender, lastReceiver, messages } = queue;
  const slot = context.slot();
  const subject = { object: QUEUE_OBJECT };
  const data = encodeSysv(queue, { flags: { taken }, size: maxBytes, rest: encodeMessages(messages) });
  const mark = unusedType(queue, taken);
  context.create({ type: OP.QUEUE, slot, a: mark, data, subject });
  // one of the two, if they were two: a queue that neither has used would not be the tree's
  const pid = lastSender > 0 ? lastSender : lastReceiver;
  if (pid > 0) context.inTask(pid, { type: OP.QUEUE_MARK, slot, a: mark, subject: subjectIn(context, KIND, pid) });
  context.last({ type: OP.QUEUE_SET, slot, data, subject });
}

/** A type that no message has, in the image or in the queue that is there. */
function unusedType({ id, messages }: MessageQueue, taken: boolean): bigint {
  const there = taken ? native().messageQueue(id) : undefined;
  const all = [...messages, ...(typeof there === "object" ? there.messages : [])];
  const used = new Set(all.map(({ type }) => type));
  let type = (1n << 63n) - 1n;
  while (used.has(type)) type--;
  return type;
}

/** struct plan_queued for each */
function encodeMessages(messages: MessageQueue["messages"]): Uint8Array {
  const HEAD = 16;
  const sizes = messages.map(({ data }) => HEAD + Math.ceil(data.length / 8) * 8);
  const bytes = new Uint8Array(sizes.reduce((sum, size) => sum + size, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  messages.forEach(({ type, data }, i) => {
    view.setBigUint64(at, BigInt(data.length), true);
    view.setBigInt64(at + 8, type, true);
    bytes.set(data, at + HEAD);
    at += sizes[i] ?? 0;
  });
  return bytes;
}
