/** Contents that go into the image as files of their own: shared memory, memfds, files without a name. */

import { closeSync, constants, openSync } from "node:fs";

import { ioError } from "../errors.js";
import { fault } from "../fault.js";
import { dataName } from "../image/names.js";
import type { DataRef } from "../image/schema.js";
import type { ImageWriter } from "../image/write.js";
import { HugeFiles, bytesIn, hugeDataBytes } from "../kinds/huge.js";
import { inodeKey } from "../kinds/types.js";
import { native, type StatRecord } from "../native.js";
import type { Progress } from "./options.js";

interface Job {
  source: string;
  data: DataRef;
  number: number;
  /** what is behind its end belongs to it, up to the end of a page */
  wholePages: boolean;
}

/** First all jobs are noted, then, if nothing stands in the way of the dump, done. */
export class Contents {
  private readonly jobs = new Map<string, Job>();
  private readonly huge: HugeFiles | undefined;

  /** `dump`: an open /proc/<pid>/dump, whatever task's; without one nothing is copied, and sizes are all that matters. */
  constructor(dump?: number) {
    this.huge = dump === undefined ? undefined : new HugeFiles(dump);
  }

  /** The same inode gets the same answer. */
  of(stat: StatRecord, source: string): { data: DataRef; ghost: number } {
    return this.note(inodeKey(stat), stat, source, false);
  }

  /** Of System V shared memory, whose inode numbers are its ids, and so may be those of others. */
  ofSegment(stat: StatRecord, source: string): DataRef {
    return this.note(`sysv ${inodeKey(stat)}`, stat, source, true).data;
  }

  private note(key: string, stat: StatRecord, source: string, wholePages: boolean): { data: DataRef; ghost: number } {
    let job = this.jobs.get(key);
    if (job === undefined) {
      const number = this.jobs.size;
      const huge = this.huge?.contentsOf(stat, source);
      const size = huge === undefined ? stat.size : hugeDataBytes(huge, stat.size);
      job = { source, number, data: { name: dataName(number), size, ...(huge === undefined ? {} : { huge }) }, wholePages };
      this.jobs.set(key, job);
    }
    return { data: job.data, ghost: job.number };
  }

  /** Upper bound: holes are not copied. */
  get totalBytes(): bigint {
    let total = 0n;
    for (const job of this.jobs.values()) total += job.data.size;
    return total;
  }

  /** Returns the bytes that were copied. */
  copy(writer: ImageWriter, progress: Progress): bigint {
    let bytes = 0n;
    for (const job of this.jobs.values()) {
      const { source, data } = job;
      const to = writer.create(data.name);
      let from: number | undefined;
      try {
        from = openSync(source, constants.O_RDONLY);
        bytes += copyJob(job, from, to);
        progress.add(data.size);
      } catch (error) {
        throw ioError(`cannot copy ${source} to ${data.name}`, `${writer.dir}/${data.name}`, error);
      } finally {
        if (from !== undefined) closeSync(from);
      }
    }
    return bytes;
  }
}

/** Returns the bytes that were copied. */
function copyJob({ data, wholePages }: Job, from: number, to: number): bigint {
  const { huge, size } = data;
  if (huge !== undefined) {
    native().copyHuge(from, to, size, huge.runs);
    fault("dump.data");
    return bytesIn(huge.runs);
  }
  const copied = native().copySparse(from, to);
  fault("dump.data");
  data.size = wholePages ? native().copyTail(from, to, copied.size) : copied.size;
  return copied.dataBytes;
}
