/**
 * Files of huge pages: shared memory of them, and what lies on a hugetlbfs. Such a file can only be written through a mapping, and what
 * it takes is not there for the asking: which of its pages are there, and whether the others are reserved, is kept with its contents.
 */

import { closeSync, constants, openSync, statfsSync } from "node:fs";

import type { DataRef, HugeContents, Range } from "../image/schema.js";
import { native, type StatRecord } from "../native.js";
import { FILL, OP, PlanHuge, type Op, type Subject } from "../restore/plan.js";

export const HUGE_OBJECT = "huge pages";

/** Of a page, on x86_64: 2 MiB and 1 GiB. */
export const HUGE_SIZES: readonly bigint[] = [1n << 21n, 1n << 30n];

/** f_type of statfs(2) */
const HUGETLBFS_MAGIC = 0x958458f6n;

// ---- dump ----

/** Of one dump: file systems do not go while it has files of them. */
export class HugeFiles {
  /** by device number; undefined: ordinary ones */
  private readonly pageSizes = new Map<bigint, bigint | undefined>();

  /** `dump`: what can be asked, any open /proc/<pid>/dump. */
  constructor(private readonly dump: number) {}

  /** Undefined: a file of ordinary pages. */
  contentsOf(stat: StatRecord, source: string): HugeContents | undefined {
    const pageBytes = this.pageBytesOf(stat, source);
    if (pageBytes === undefined) return undefined;
    const fd = openSync(source, constants.O_RDONLY);
    try {
      return { pageBytes, ...native().hugePages(this.dump, fd) };
    } finally {
      closeSync(fd);
    }
  }

  private pageBytesOf({ dev }: StatRecord, source: string): bigint | undefined {
    if (!this.pageSizes.has(dev)) {
      const { type, bsize } = statfsSync(source, { bigint: true });
      this.pageSizes.set(dev, type === HUGETLBFS_MAGIC ? bsize : undefined);
    }
    return this.pageSizes.get(dev);
  }
}

/** Of the file of the image. Pages may be there behind the end of the original. */
export function hugeDataBytes({ pageBytes, runs }: HugeContents, size: bigint): bigint {
  const end = runs.at(-1)?.end ?? 0n;
  const whole = wholePages(size, pageBytes);
  return end > whole ? end : whole;
}

export function wholePages(bytes: bigint, pageBytes: bigint): bigint {
  return (bytes + pageBytes - 1n) & ~(pageBytes - 1n);
}

export function bytesIn(ranges: readonly Range[]): bigint {
  return ranges.reduce((sum, { start, end }) => sum + end - start, 0n);
}

// ---- restore ----

/** As mmap(2), memfd_create(2) and shmget(2) encode it. */
export function hugeShift({ pageBytes }: Pick<HugeContents, "pageBytes">): number {
  return pageBytes.toString(2).length - 1;
}

const MFD_HUGETLB = 4;
const MFD_HUGE_SHIFT = 26;

/** Of memfd_create(2). */
export function hugeMemfdFlags(huge: Pick<HugeContents, "pageBytes">): number {
  return MFD_HUGETLB | (hugeShift(huge) << MFD_HUGE_SHIFT);
}

/** How many pages a file of `size` bytes takes, whoever maps it. `reserved`: what mappings reserve of it. */
export function pagesOf(huge: HugeContents, size: bigint, reserved: readonly Range[]): bigint {
  const { pageBytes, runs } = huge;
  const all = [...runs, ...reserved, ...(huge.reserved ? [{ start: 0n, end: wholePages(size, pageBytes) }] : [])];
  return bytesIn(union(all)) / pageBytes;
}

function union(ranges: readonly Range[]): Range[] {
  const found: Range[] = [];
  for (const { start, end } of [...ranges].sort((a, b) => (a.start < b.start ? -1 : 1))) {
    const last = found.at(-1);
    if (last === undefined || start > last.end) found.push({ start, end });
    else if (end > last.end) last.end = end;
  }
  return found;
}

/** Gives a file its size and contents. */
export function fillOp(type: typeof OP.FILL | typeof OP.SEGMENT_FILL, slot: number, size: bigint, data: DataRef, subject: Subject): Op {
  const { huge, name } = data;
  if (huge === undefined) return { type, slot, a: size, data: name, subject };
  return { type, slot, a: size, flags: FILL.HUGE, data: encode(huge, name), subject };
}

function encode(huge: HugeContents, name: string): Uint8Array[] {
  const { runs, reserved } = huge;
  const head = new Uint8Array(PlanHuge.size);
  PlanHuge.write(new DataView(head.buffer), 0, { shift: hugeShift(huge), reserved: reserved ? 1 : 0, nr_runs: runs.length, pad: 0 });
  const table = BigUint64Array.from(runs.flatMap(({ start, end }) => [start, end]));
  return [head, new Uint8Array(table.buffer), Buffer.from(name)];
}
