/** System V shared memory that is attached: segments of the IPC namespace that we share with the tree. */

import type { Details, ErrorCode } from "../../errors.js";
import type { DataRef, MappedFile, Segment } from "../../image/schema.js";
import { readSegments, type SegmentStat } from "../../proc/sysvipc.js";
import type { RestoreContext } from "../../restore/context.js";
import { OP, type Op, type Subject } from "../../restore/plan.js";
import { fillOp, pagesOf } from "../huge.js";
import {
  conflictWith,
  encodeSysv,
  hasSameCreator,
  HUGE_SEGMENT_OBJECT,
  mayChooseIds,
  SEGMENT_OBJECT,
  sysvText,
  willBeTaken,
  type Conflict,
  type Kind,
} from "./objects.js";

const KIND: Kind = { name: "segment", object: SEGMENT_OBJECT, option: "-m" };

/** The joining key of a mapped file: ids of segments, and inode numbers of other memory of the same file system, may be equal. */
export function mappedKey(kernelDev: bigint, kernelIno: bigint, sysv: boolean): string {
  return `${sysv ? "sysv " : ""}${kernelDev}:${kernelIno}`;
}

/** As the kernel calls the file of a segment: the key that it was made with, which one that is marked for destruction has no more. */
function keyOfName(name: string): number | undefined {
  const [, hex] = /^\/SYSV([0-9a-f]{8})$/.exec(name) ?? [];
  return hex === undefined ? undefined : Number.parseInt(hex, 16) | 0;
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
      object: SEGMENT_OBJECT,
      path: identity.path,
      why: `segment ${sysvText(segment)} is attached by ${sharer(file) ?? "a task"} too, which is not in the tree`,
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
    const { huge } = data;
    const about = { ...subject, object: huge === undefined ? SEGMENT_OBJECT : HUGE_SEGMENT_OBJECT };
    if (!mayChooseIds(this.context, about)) return undefined;
    const table = (this.table ??= readSegments());
    const taken = willBeTaken(this.context, about, { wanted: segment, table, conflict: conflictOf(segment, table) });
    if (taken === undefined) return undefined;
    if (taken) this.context.note(`segment ${sysvText(segment)} is there, attached by nobody: it gets the contents of the image`);
    // one that is there has its pages, too
    else if (huge !== undefined) this.context.needHugePages(huge.pageBytes, pagesOf(huge, data.size, []));
    return this.plan(segment, data, { taken, mappings, about });
  }

  private plan(segment: Segment, data: DataRef, { taken, mappings, about }: { taken: boolean; mappings: number; about: Subject }): number {
    const { context } = this;
    const slot = context.slot();
    const { size, destroyed: marked, locked } = segment;
    const { huge } = data;
    const record = encodeSysv(segment, { flags: { taken, marked, locked }, size, huge });
    const fill: Op = {
      ...fillOp(OP.SEGMENT_FILL, slot, huge === undefined ? size : data.size, data, about),
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
export function conflictOf(segment: Segment, table: readonly SegmentStat[]): Conflict | undefined {
  // a key does not lead to one that was marked
  return conflictWith(KIND, segment.destroyed ? { ...segment, key: 0 } : segment, table, {
    isTheSame: (there) => isTheSame(segment, there),
    used: ({ attached }) => (attached > 0 ? "somebody has attached it" : undefined),
  });
}

/** One that was marked for destruction has gone for good. */
function isTheSame(segment: Segment, there: SegmentStat): boolean {
  return !segment.destroyed && !there.destroyed && hasSameCreator(segment, there) && there.size === segment.size;
}
