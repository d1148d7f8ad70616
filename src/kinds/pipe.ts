/** Pipes whose ends are all within the tree, with what is in them. */

import { closeSync, constants, openSync } from "node:fs";

import { isShortage } from "../errors.js";
import type { Pipe, PipeFile } from "../image/schema.js";
import { native } from "../native.js";
import { O_ACCMODE, O_DIRECT, O_NONBLOCK, O_WRONLY } from "../proc/fdinfo.js";
import type { RestoreContext, RestoreHalf } from "../restore/context.js";
import { OP, type Subject } from "../restore/plan.js";
import { duplicateOf } from "./duplicates.js";
import { accessMode, openAgain, setOwner, settableFlags } from "./open.js";
import { S_IFIFO, baseOf, descriptorOf, inodeKey, isType, sourceOf, type DumpContext, type DumpHalf, type Found } from "./types.js";

const O_RDONLY = 0;

export function isPipeLink(link: string): boolean {
  return link.startsWith("pipe:[");
}

/** A pipe or a FIFO. */
export function isPipe(found: Found): boolean {
  return isType(found.stat, S_IFIFO);
}

// ---- dump ----

export const pipeDump: DumpHalf = {
  claims: (found, context) => isPipeLink(found.link) && !context.outside(found.link),

  dump(found, context): PipeFile | undefined {
    const pipe = readPipe(found, context);
    return pipe === undefined ? undefined : { ...baseOf(found), kind: "pipe", pipe };
  },

  // any can be saved
  look: () => undefined,
};

/** One reading for all ends: they would tell the same. */
class Pipes {
  private readonly ends = new Map<string, Found[]>();
  private readonly known = new Map<string, Pipe | undefined>();
  private seen = 0;

  constructor(private readonly context: DumpContext) {}

  read(found: Found): Pipe | undefined {
    const key = inodeKey(found.stat);
    if (!this.known.has(key)) this.known.set(key, peek(found, this.endsOf(key), this.context));
    return this.known.get(key);
  }

  /** What has come out of messages since is known by then, too. */
  private endsOf(wanted: string): readonly Found[] {
    for (const file of this.context.files.slice(this.seen)) {
      if (!isPipe(file)) continue;
      const key = inodeKey(file.stat);
      const ends = this.ends.get(key);
      if (ends === undefined) this.ends.set(key, [file]);
      else ends.push(file);
    }
    this.seen = this.context.files.length;
    return this.ends.get(wanted) ?? [];
  }
}

const pipes = new WeakMap<DumpContext, Pipes>();

export function readPipe(found: Found, context: DumpContext): Pipe | undefined {
  let table = pipes.get(context);
  if (table === undefined) pipes.set(context, (table = new Pipes(context)));
  return table.read(found);
}

function peek(found: Found, ends: readonly Found[], context: DumpContext): Pipe | undefined {
  const packets = ends.some((end) => !isReader(end) && (end.info.flags & O_DIRECT) !== 0);
  let fd: number | undefined;
  try {
    fd = readEnd(ends.find(isReader), found);
    const { capacity, chunks } = native().peekPipe(fd);
    return { ino: found.stat.ino, capacity, chunks: chunks.map((data) => ({ data, packet: packets })) };
  } catch (error) {
    if (isShortage(error)) throw error;
    context.refuse({
      ...descriptorOf(found),
      object: "pipe",
      why: `its contents cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      hint: "see /proc/sys/fs/pipe-user-pages-soft if crctl is not root",
    });
    return undefined;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

function isReader(found: Found): boolean {
  return (found.info.flags & O_ACCMODE) !== O_WRONLY;
}

/** A duplicate of the task's own description changes nothing in the pipe; only where nobody can read it a new one is opened. */
function readEnd(reader: Found | undefined, any: Found): number {
  if (reader !== undefined) return duplicateOf(reader.holders[0]);
  return openSync(sourceOf(any), constants.O_RDONLY | constants.O_NONBLOCK);
}

// ---- restore ----

export const pipeRestore: RestoreHalf<PipeFile> = (files, context) => {
  for (const ends of byPipe(files)) {
    const { pipe } = ends[0];
    const read = context.slot();
    const write = context.slot();
    const subject = context.subject(ends[0]);
    context.create({ type: OP.PIPE, slot: read, arg: write, subject });
    fill(pipe, write, subject, context);
    placeEnds(ends, read, write, context);
  }
};

/** Capacity and unread data. The descriptor must not block: data that do not fit are an error. */
export function fill(pipe: Pipe, write: number, subject: Subject, context: RestoreContext): void {
  context.create({ type: OP.PIPE_SIZE, slot: write, a: BigInt(pipe.capacity), subject });
  let packets = false;
  for (const { data, packet } of pipe.chunks) {
    // only in packet mode are writes kept apart
    if (packet !== packets) {
      packets = packet;
      context.create({ type: OP.SETFL, slot: write, flags: O_NONBLOCK | (packet ? O_DIRECT : 0), subject });
    }
    context.create({ type: OP.WRITE, slot: write, data, subject });
  }
}

/** The first description of an end is the end itself, others and those for both directions are opened through it. */
function placeEnds(ends: readonly [PipeFile, ...PipeFile[]], read: number, write: number, context: RestoreContext): void {
  const free = new Map([
    [O_RDONLY, read],
    [O_WRONLY, write],
  ]);
  for (const end of ends) {
    const slot = free.get(accessMode(end));
    if (slot === undefined) {
      openAgain(end, read, context);
      continue;
    }
    free.delete(accessMode(end));
    context.create({ type: OP.SETFL, slot, flags: settableFlags(end), subject: context.subject(end) });
    context.place(end, slot);
    setOwner(end, slot, context);
  }
  // an end that nobody holds any more
  for (const slot of free.values()) context.scratch(slot);
}

/** Descriptions that lead to the same pipe. */
export function byPipe<F extends { pipe: Pipe }>(files: readonly F[]): [F, ...F[]][] {
  const pipes = new Map<bigint, [F, ...F[]]>();
  for (const file of files) {
    const ends = pipes.get(file.pipe.ino);
    if (ends === undefined) pipes.set(file.pipe.ino, [file]);
    else ends.push(file);
  }
  return [...pipes.values()];
}
