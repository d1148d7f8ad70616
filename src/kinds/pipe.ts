/** Pipes whose ends are all within the tree, with what is in them. */

import { closeSync, constants, openSync } from "node:fs";

import type { Pipe, PipeFile } from "../image/schema.js";
import { native } from "../native.js";
import { O_ACCMODE, O_DIRECT, O_WRONLY } from "../proc/fdinfo.js";
import { baseOf, descriptorOf, inodeKey, sourceOf, type DumpContext, type DumpHalf, type Found } from "./types.js";

export function isPipeLink(link: string): boolean {
  return link.startsWith("pipe:[");
}

// ---- dump ----

export const pipeDump: DumpHalf = {
  claims: (found, context) => isPipeLink(found.link) && !context.outside(found.link),

  dump(found, context): PipeFile | undefined {
    const pipe = readPipe(found, context);
    return pipe === undefined ? undefined : { ...baseOf(found), kind: "pipe", pipe };
  },
};

/** One reading for all ends: they would tell the same. */
const known = new WeakMap<DumpContext, Map<string, Pipe | undefined>>();

export function readPipe(found: Found, context: DumpContext): Pipe | undefined {
  let pipes = known.get(context);
  if (pipes === undefined) known.set(context, (pipes = new Map()));
  const key = inodeKey(found.stat);
  if (!pipes.has(key)) pipes.set(key, peek(found, context));
  return pipes.get(key);
}

function peek(found: Found, context: DumpContext): Pipe | undefined {
  const key = inodeKey(found.stat);
  const ends = context.files.filter((file) => inodeKey(file.stat) === key);
  const packets = ends.some((end) => !isReader(end) && (end.info.flags & O_DIRECT) !== 0);
  let fd: number | undefined;
  try {
    fd = readEnd(ends.find(isReader), found);
    const { capacity, chunks } = native().peekPipe(fd);
    return { ino: found.stat.ino, capacity, chunks: chunks.map((data) => ({ data, packet: packets })) };
  } catch (error) {
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
  if (reader !== undefined) return native().duplicateOf(reader.holders[0].pid, reader.holders[0].fd);
  return openSync(sourceOf(any), constants.O_RDONLY | constants.O_NONBLOCK);
}
