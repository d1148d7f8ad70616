/** What segments, sets of semaphores and message queues of System V have in common: ids and keys, and how they meet others. */

import type { Details, ErrorCode } from "../../errors.js";
import type { HugeContents, SysvObject } from "../../image/schema.js";
import { mayCheckpoint } from "../../proc/capabilities.js";
import type { RestoreContext } from "../../restore/context.js";
import { PlanSysv, SYSV, type Subject } from "../../restore/plan.js";
import { hugeShift } from "../huge.js";

export const SEGMENT_OBJECT = "System V shared memory";
export const SEMAPHORE_OBJECT = "System V semaphores";
export const QUEUE_OBJECT = "System V message queue";
export const HUGE_SEGMENT_OBJECT = "System V shared memory of huge pages";
export const SYSV_OBJECTS: readonly (string | undefined)[] = [SEGMENT_OBJECT, HUGE_SEGMENT_OBJECT, SEMAPHORE_OBJECT, QUEUE_OBJECT];

/** Names of a kind. */
export interface Kind {
  /** "segment" */
  name: string;
  object: string;
  /** of ipcs(1) */
  option: string;
}

/** What people call it. */
export function sysvText({ id, key }: { id: number; key: number }): string {
  return `${id}${key === 0 ? "" : ` (key ${keyText(key)})`}`;
}

function keyText(key: number): string {
  return `0x${(key >>> 0).toString(16)}`;
}

export interface Conflict {
  why: string;
  hint: string;
}

/** Why it cannot be made, nor taken over. `used`: why one that is the same cannot be taken over, in words, if so. */
export function conflictWith<T extends SysvObject>(
  { name, option }: Kind,
  wanted: { id: number; key: number },
  table: readonly T[],
  { isTheSame, used }: { isTheSame: (there: T) => boolean; used: (there: T) => string | undefined },
): Conflict | undefined {
  const hint = `ipcs ${option} lists them, ipcrm removes one that nobody needs`;
  const there = table.find(({ id }) => id === wanted.id);
  if (there !== undefined) {
    if (!isTheSame(there)) return { why: `another ${name} has its id, ${wanted.id}`, hint };
    const why = used(there);
    return why === undefined ? undefined : { why: `${name} ${sysvText(wanted)} is there, and ${why}`, hint };
  }
  const other = wanted.key === 0 ? undefined : table.find(({ key }) => key === wanted.key);
  return other === undefined ? undefined : { why: `another ${name}, ${other.id}, has its key, ${keyText(wanted.key)}`, hint };
}

export function hasSameCreator(wanted: SysvObject, there: SysvObject): boolean {
  return there.key === wanted.key && there.cuid === wanted.cuid && there.cgid === wanted.cgid;
}

/** Tells if its old id cannot be had. */
export function mayChooseIds(context: RestoreContext, about: Details): boolean {
  if (mayCheckpoint()) return true;
  context.refuse({
    ...about,
    code: "E_PERMISSION",
    why: "its old id takes CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN",
    hint: "run crctl restore as root",
  });
  return false;
}

/** Tells of a conflict; else whether it is there, undefined if there was one. */
export function willBeTaken(
  context: RestoreContext,
  about: Subject,
  { wanted, table, conflict }: { wanted: { id: number }; table: readonly { id: number }[]; conflict: Conflict | undefined },
): boolean | undefined {
  if (conflict === undefined) return table.some(({ id }) => id === wanted.id);
  context.refuse({ ...about, code: "E_CONFLICT" satisfies ErrorCode, ...conflict });
  return undefined;
}

/**
 * Plans each that nothing stands in the way of. `holds`: what one that is there gets of the image, in words. `fits`: whether it can
 * be made at all, and tells if not.
 */
export function restoreObjects<T extends SysvObject, S extends SysvObject>(
  objects: readonly T[],
  context: RestoreContext,
  {
    kind,
    holds,
    table: read,
    fits = () => true,
    conflict,
    plan,
  }: {
    kind: Kind;
    holds: string;
    table: () => readonly S[];
    fits?: (wanted: T) => boolean;
    conflict: (wanted: T, table: readonly S[]) => Conflict | undefined;
    plan: (wanted: T, taken: boolean) => void;
  },
): void {
  if (objects.length === 0) return;
  const about = { object: kind.object };
  if (!mayChooseIds(context, about)) return;
  const table = read();
  for (const wanted of objects) {
    if (!fits(wanted)) continue;
    const taken = willBeTaken(context, about, { wanted, table, conflict: conflict(wanted, table) });
    if (taken === undefined) continue;
    if (taken) context.note(`${kind.name} ${sysvText(wanted)} is there, used by nobody: it gets the ${holds} of the image`);
    plan(wanted, taken);
  }
}

/** What a task does for an object, in messages. */
export function subjectIn(context: RestoreContext, { object }: Kind, pid: number): Subject {
  return { object, pid, comm: context.tasks.find(({ pids }) => pids[0] === pid)?.comm ?? "" };
}

/** `rest`: what is behind it. */
export function encodeSysv(
  { id, key, uid, gid, cuid, cgid, mode }: SysvObject,
  {
    flags,
    size,
    huge,
    rest = new Uint8Array(),
  }: { flags: { taken: boolean; marked?: boolean; locked?: boolean }; size: bigint; huge?: HugeContents | undefined; rest?: Uint8Array },
): Uint8Array {
  const bytes = new Uint8Array(PlanSysv.size + rest.length);
  const bits =
    (flags.taken ? SYSV.TAKE : 0) |
    (flags.marked === true ? SYSV.MARKED : 0) |
    (flags.locked === true ? SYSV.LOCKED : 0) |
    (huge?.reserved === true ? SYSV.RESERVED : 0);
  const shift = huge === undefined ? 0 : hugeShift(huge);
  const record = { id, key, uid, gid, cuid, cgid, mode, flags: bits, size, huge_shift: shift, pad: 0 };
  PlanSysv.write(new DataView(bytes.buffer), 0, record);
  bytes.set(rest, PlanSysv.size);
  return bytes;
}

/** What is known of the tree when sets and queues of it are looked for: the kernel ties them to no process. */
export interface Users {
  /** whether it is the id of a task of the tree, be it live or a zombie */
  inTree(pid: number): boolean;
  /** a live process outside of the tree, in words */
  outsider(pid: number): string | undefined;
  refuse(problem: Details & { why: string; code?: ErrorCode }): void;
}

/** Tells of the first of them that is alive and outside of the tree. */
export function checkUsers(pids: readonly number[], users: Users, about: { kind: Kind; object: SysvObject; did: string }): void {
  for (const pid of new Set(pids)) {
    const other = users.inTree(pid) ? undefined : users.outsider(pid);
    if (other === undefined) continue;
    refuseUser(users, about, `${other} has ${about.did} last, and is not in the tree`);
    return;
  }
}

export function refuseUser(users: Users, { kind, object }: { kind: Kind; object: SysvObject }, why: string): void {
  users.refuse({
    code: "E_EXTERNAL",
    object: kind.object,
    why: `${kind.name} ${sysvText(object)}: ${why}`,
    hint: "dump a tree that has all tasks that share it",
  });
}
