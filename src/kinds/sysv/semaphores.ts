/** System V semaphores: sets that tasks have operated on last, sleep on, or have something to undo of. */

import type { UndoEntry } from "../../image/elfcore.js";
import type { SemaphoreSet, Undo } from "../../image/schema.js";
import { native } from "../../native.js";
import { readSemaphores, type SemaphoreStat } from "../../proc/sysvipc.js";
import type { RestoreContext } from "../../restore/context.js";
import { OP } from "../../restore/plan.js";
import {
  checkUsers,
  conflictWith,
  encodeSysv,
  hasSameCreator,
  refuseUser,
  restoreObjects,
  SEMAPHORE_OBJECT,
  subjectIn,
  sysvText,
  type Conflict,
  type Kind,
  type Users,
} from "./objects.js";

const KIND: Kind = { name: "semaphore set", object: SEMAPHORE_OBJECT, option: "-s" };

const EIDRM = -43;
const EINVAL = -22;

// ---- dump ----

/** `sleeping`: ids of sets that tasks were in semop(2) on. `undo`: what the module tells, by pid. */
export function dumpSemaphores(
  { sleeping, undo }: { sleeping: ReadonlySet<number>; undo: ReadonlyMap<number, readonly UndoEntry[]> },
  users: Users,
): SemaphoreSet[] {
  return readSemaphores().flatMap((set): SemaphoreSet[] => {
    const own = [...undo].flatMap(([pid, entries]) => undoOf(pid, entries, set));
    const record = native().semaphores(set.id, set.count);
    const known = own.length > 0 || sleeping.has(set.id);
    if (typeof record === "number") {
      // it has been removed, or those whom we cannot ask have it
      if (known && record !== EIDRM && record !== EINVAL) refuseUnread(set, users);
      return [];
    }
    const { values, pids, sleepers } = record;
    if (!known && !pids.some((pid) => pid > 0 && users.inTree(pid))) return [];
    const about = { kind: KIND, object: set };
    checkUsers(pids, users, { ...about, did: "operated on it" });
    const lists = Math.max(0, ...[...undo.values()].flat().map((entry) => (entry.id === set.id ? entry.lists : 0)));
    if (lists > own.length) refuseUser(users, about, "a process that is not in the tree has operations on it to be undone (SEM_UNDO)");
    if (sleepers) refuseUser(users, about, "a process that is not in the tree waits for it in semop(2)");
    const { id, key, mode, uid, gid, cuid, cgid } = set;
    return [{ id, key, mode, uid, gid, cuid, cgid, values, lastPids: pids.map((pid) => (users.inTree(pid) ? pid : 0)), undo: own }];
  });
}

/** Of a set with that id that was there a moment ago and is not this one nothing is to be undone any more. */
function undoOf(pid: number, entries: readonly UndoEntry[], { id, count }: SemaphoreStat): Undo[] {
  const entry = entries.find((candidate) => candidate.id === id && candidate.adjustments.length === count);
  if (entry === undefined) return [];
  return [{ pid, adjustments: entry.adjustments.flatMap((value, semaphore) => (value === 0 ? [] : [{ semaphore, value }])) }];
}

function refuseUnread(set: SemaphoreStat, users: Users): void {
  users.refuse({
    code: "E_PERMISSION",
    object: KIND.object,
    why: `${KIND.name} ${sysvText(set)} cannot be read`,
    hint: "run crctl dump as root",
  });
}

// ---- restore ----

/** `outsider`: a live process, in words. */
export function restoreSemaphores(
  sets: readonly SemaphoreSet[],
  context: RestoreContext,
  outsider: (pid: number) => string | undefined,
): void {
  restoreObjects(sets, context, {
    kind: KIND,
    holds: "values",
    table: readSemaphores,
    conflict: (set, table) => setConflict(set, table, (id) => userOf(id, set, outsider)),
    plan: (set, taken) => planSet(set, taken, context),
  });
}

/** `used`: why it cannot be taken over. */
export function setConflict(
  set: SemaphoreSet,
  table: readonly SemaphoreStat[],
  used: (id: number) => string | undefined,
): Conflict | undefined {
  return conflictWith(KIND, set, table, {
    isTheSame: (there) => hasSameCreator(set, there) && there.count === set.values.length,
    used: ({ id }) => used(id),
  });
}

function userOf(id: number, { values }: SemaphoreSet, outsider: (pid: number) => string | undefined): string | undefined {
  const record = native().semaphores(id, values.length);
  if (typeof record === "number") return "it cannot be read";
  if (record.sleepers) return "somebody waits for it in semop(2)";
  const user = record.pids.map((pid) => outsider(pid)).find((name) => name !== undefined);
  return user === undefined ? undefined : `${user} has operated on it last`;
}

function planSet(set: SemaphoreSet, taken: boolean, context: RestoreContext): void {
  const { values, lastPids, undo } = set;
  const slot = context.slot();
  const subject = { object: SEMAPHORE_OBJECT };
  const data = encodeSysv(set, {
    flags: { taken },
    size: BigInt(values.length),
    rest: new Uint8Array(Uint16Array.from(values).buffer),
  });
  context.create({ type: OP.SEMAPHORES, slot, data, subject });
  // whoever has nothing to undo of a semaphore, but was the last to operate on it, comes back as that
  const tasks = new Map(undo.map(({ pid, adjustments }) => [pid, new Map(adjustments.map(({ semaphore, value }) => [semaphore, value]))]));
  lastPids.forEach((pid, semaphore) => {
    if (pid === 0) return;
    let own = tasks.get(pid);
    if (own === undefined) tasks.set(pid, (own = new Map<number, number>()));
    if (!own.has(semaphore)) own.set(semaphore, 0);
  });
  for (const [pid, adjustments] of tasks) {
    const subject = subjectIn(context, KIND, pid);
    context.inTask(pid, { type: OP.SEMAPHORES_ADJUST, slot, data: encodeAdjustments(adjustments), subject });
  }
  context.last({ type: OP.SEMAPHORES_SET, slot, data, subject });
}

/** struct plan_adjustment */
function encodeAdjustments(adjustments: ReadonlyMap<number, number>): Uint8Array {
  const bytes = new Uint8Array(adjustments.size * 4);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [semaphore, value] of adjustments) {
    view.setUint16(at, semaphore, true);
    view.setInt16(at + 2, value, true);
    at += 4;
  }
  return bytes;
}
