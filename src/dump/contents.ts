/** Contents that go into the image as files of their own: shared memory, memfds, files without a name. */

import { closeSync, constants, openSync } from "node:fs";

import { ioError } from "../errors.js";
import { fault } from "../fault.js";
import { dataName } from "../image/names.js";
import type { DataRef } from "../image/schema.js";
import type { ImageWriter } from "../image/write.js";
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
      job = { source, number, data: { name: dataName(number), size: stat.size }, wholePages };
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
    for (const { source, data, wholePages } of this.jobs.values()) {
      const to = writer.create(data.name);
      let from: number | undefined;
      try {
        from = openSync(source, constants.O_RDONLY);
        const copied = native().copySparse(from, to);
        fault("dump.data");
        data.size = wholePages ? native().copyTail(from, to, copied.size) : copied.size;
        bytes += copied.dataBytes;
        progress.add(copied.size);
      } catch (error) {
        throw ioError(`cannot copy ${source} to ${data.name}`, `${writer.dir}/${data.name}`, error);
      } finally {
        if (from !== undefined) closeSync(from);
      }
    }
    return bytes;
  }
}
