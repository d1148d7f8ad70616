/** FIFOs: pipes with a name. */

import type { FifoFile } from "../image/schema.js";
import { O_NONBLOCK, O_RDWR } from "../proc/fdinfo.js";
import type { RestoreHalf } from "../restore/context.js";
import { OP } from "../restore/plan.js";
import { openNamed } from "./open.js";
import { byPipe, fill, isPipeLink, readPipe } from "./pipe.js";
import { S_IFIFO, baseOf, isType, type DumpHalf } from "./types.js";

// ---- dump ----

export const fifoDump: DumpHalf = {
  claims: (found, context) => isType(found.stat, S_IFIFO) && !isPipeLink(found.link) && !context.outside(found.link),

  dump(found, context): FifoFile | undefined {
    const identity = context.identity(found);
    if (identity === undefined) return undefined;
    const pipe = readPipe(found, context);
    return pipe === undefined ? undefined : { ...baseOf(found), kind: "fifo", identity, pipe };
  },

  look(found, context): FifoFile | undefined {
    const identity = context.identity(found);
    if (identity === undefined) return undefined;
    return { ...baseOf(found), kind: "fifo", identity, pipe: { ino: found.stat.ino, capacity: 0, chunks: [] } };
  },
};

// ---- restore ----

export const fifoRestore: RestoreHalf<FifoFile> = (files, context) => {
  for (const ends of byPipe(files)) {
    const [first] = ends;
    const subject = context.subject(first);
    const stat = context.examine(first.identity, subject, { anyContents: true });
    if (stat === undefined) continue;
    // Open both ways it never waits for the other end, and while it is open neither do the others.
    const keeper = context.slot();
    context.create({
      type: OP.OPEN,
      slot: keeper,
      flags: O_RDWR | O_NONBLOCK,
      a: stat.ino,
      b: stat.dev,
      data: first.identity.path,
      subject,
    });
    context.create({ type: OP.FIFO_EMPTY, slot: keeper, subject });
    fill(first.pipe, keeper, subject, context);
    for (const end of ends) openNamed(end, end.identity, stat, context);
    context.scratch(keeper);
  }
};
