/** Descriptors of memfd_create(2). Their contents are those of a mapped file, see memory.ts. */

import type { MemfdFile } from "../image/schema.js";
import type { RestoreHalf } from "../restore/context.js";
import { openAgain, seek } from "./open.js";
import { S_IFREG, baseOf, isType, type DumpHalf } from "./types.js";

export const MEMFD_PREFIX = "/memfd:";

// ---- dump ----

export const memfdDump: DumpHalf = {
  claims: (found) => isType(found.stat, S_IFREG) && found.link.startsWith(MEMFD_PREFIX) && found.stat.nlink === 0,

  dump(found, context): MemfdFile | undefined {
    const memory = context.memfd(found);
    if (memory === undefined) return undefined;
    return { ...baseOf(found), kind: "memfd", memory, position: found.info.position };
  },
};

// ---- restore ----

export const memfdRestore: RestoreHalf<MemfdFile> = (files, context) => {
  for (const file of files) seek(file, openAgain(file, context.memfd(file.memory), context), context);
};
