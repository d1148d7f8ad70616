/** System V shared memory that is attached: segments of the IPC namespace that we share with the tree. */

import type { Details, ErrorCode } from "../errors.js";
import type { DataRef, MappedFile, Segment } from "../image/schema.js";
import { mayCheckpoint } from "../proc/capabilities.js";
import { readSegments, type SegmentStat } from "../proc/sysvipc.js";
import type { RestoreContext } from "../restore/context.js";
import { OP, PlanSegment, SEGMENT, type Op, type Subject } from "../restore/plan.js";

export const SYSV_OBJECT = "System V shared memory";

/** The joining key of a mapped file: ids of segments, and inode numbers of other memory of the same file system, may be equal. */
export function mappedKey(kernelDev: bigint, kernelIno: bigint, sysv: boolean): string {
  return `${sysv ? "sysv " : ""}${kernelDev}:${kernelIno}`;
}

/** As the kernel calls the file of a segment: the key that it was made with, which one that is marked for destruction has no more. */
function keyOfName(name: string): number | undefined {
  const [, hex] = /^\/SYSV([0-9a-f]{8})$/.exec(name) ?? [];
  return hex === undefined ? undefined : Number.parseInt(hex, 16) | 0;
}

/** What people call it. */
export function segmentText({ id, key }: Segment): string {
  return `${id}${key === 0 ? "" : ` (key 0x${(key >>> 0).toString(16)})`}`;
}

// ---- dump ----

/** Segments as they are while the tree stands still: looked up when the first is met. */
export class Segments {
  private table: ReadonlyMap<number, SegmentStat> | undefined;

  /** Undefined: there is none, it is of another namespace. */
  find(id: bigint, name: string): Segment | undefined {
    this.table ??= new Map(readSegments().map((segment) => [segment.id, segment]));
    const found = this.table.get(Number(id));
    const key = keyOfName(name);
    if (found === undefined || key === undefined) return undefined;
    const { mode, destroyed, locked, size, uid, gid, cuid, cgid } = found;
    return { id: found.id, key, mode, destroyed, locked, size, uid, gid, cuid, cgid };
  }

  attached({ id }: Segment): number {
    return this.table?.get(id)?.attached ?? 0;
  }
}

/** `inTree`: mappings of the tree, by id. `sharer`: who else, in words, as far as can be told. */
export function checkAttached(
  memory: readonly MappedFile[],
  segments: Segments,
  inTree: ReadonlyMap<bigint, number>,
  sharer: (file: MappedFile) => string | undefined,
  refuse: (problem: Details & { why: string; code: ErrorCode }) => void,
): void {
  for (const file of memory) {
    const { segment, identity } = file;
    if (segment === undefined || segments.attached(segment) <= (inTree.get(file.kernelIno) ?? 0)) continue;
    refuse({
      code: "E_EXTERNAL",
      object: SYSV_OBJECT,
      path: identity.path,
      why: `segment ${segmentText(segment)} is attached by ${sharer(file) ?? "a task"} too, which is not in the tree`,
      hint: "dump a tree that has all tasks that share it",
    });
  }
}

// ---- restore ----

/** Slots of segments, all of which are looked up at the same moment. */
export class SegmentPlanner {
  private table: readonly SegmentStat[] | undefined;

  constructor(private readonly context: RestoreContext) {}

  /** Undefined: a problem was told. `mappings`: how many the tree has. */
  add(file: MappedFile, mappings: number, subject: Subject): number | undefined {
    const { segment, data } = file;
    if (segment === undefined || data === undefined) throw new RangeError(`mapped file ${file.id} is no segment`);
    const about = { ...subject, object: SYSV_OBJECT };
    if (!mayCheckpoint()) {
      this.context.refuse({
        ...about,
        code: "E_PERMISSION",
        why: "its old id takes CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN",
        hint: "run crctl restore as root",
      });
      return undefined;
    }
    this.table ??= readSegments();
    const conflict = conflictOf(segment, this.table);
    if (conflict !== undefined) {
      this.context.refuse({ ...about, code: "E_CONFLICT", ...conflict });
      return undefined;
    }
    const taken = this.table.some(({ id }) => id === segment.id);
    if (taken) this.context.note(`segment ${segmentText(segment)} is there, attached by nobody: it gets the contents of the image`);
    return this.plan(segment, data, { taken, mappings, about });
  }

  private plan(
    segment: Segment,
    { name }: DataRef,
    { taken, mappings, about }: { taken: boolean; mappings: number; about: Subject },
  ): number {
    const { context } = this;
    const slot = context.slot();
    const record = encodeSegment(segment, taken);
    const fill: Op = {
      type: OP.SEGMENT_FILL,
      slot,
      a: segment.size,
      data: name,
      subject: about,
      ...(taken ? { b: BigInt(mappings) } : {}),
    };
    context.create({ type: OP.SEGMENT, slot, data: record, subject: about });
    // what one that was there held is lost only when nothing else can fail
    if (taken) context.last(fill);
    else context.create(fill);
    context.last({ type: OP.SEGMENT_SET, slot, data: record, subject: about });
    return slot;
  }
}

/** Why it cannot be made, nor taken over. */
export function conflictOf(segment: Segment, table: readonly SegmentStat[]): { why: string; hint: string } | undefined {
  const hint = `ipcs -m lists them, ipcrm removes one that nobody needs`;
  const there = table.find(({ id }) => id === segment.id);
  if (there !== undefined) {
    if (!isTheSame(segment, there)) return { why: `another segment has its id, ${segment.id}`, hint };
    if (there.attached > 0) return { why: `segment ${segmentText(segment)} is there, and somebody has attached it`, hint };
    return undefined;
  }
  if (segment.key === 0 || segment.destroyed) return undefined;
  const other = table.find(({ key }) => key === segment.key);
  return other === undefined
    ? undefined
    : { why: `another segment, ${other.id}, has its key, 0x${(segment.key >>> 0).toString(16)}`, hint };
}

/** One that was marked for destruction has gone for good. */
function isTheSame(segment: Segment, there: SegmentStat): boolean {
  return (
    !segment.destroyed &&
    !there.destroyed &&
    there.key === segment.key &&
    there.cuid === segment.cuid &&
    there.cgid === segment.cgid &&
    there.size === segment.size
  );
}

function encodeSegment({ id, key, uid, gid, cuid, cgid, mode, size, destroyed, locked }: Segment, taken: boolean): Uint8Array {
  const bytes = new Uint8Array(PlanSegment.size);
  const flags = (taken ? SEGMENT.TAKE : 0) | (destroyed ? SEGMENT.MARKED : 0) | (locked ? SEGMENT.LOCKED : 0);
  PlanSegment.write(new DataView(bytes.buffer), 0, { id, key, uid, gid, cuid, cgid, mode, flags, size });
  return bytes;
}
