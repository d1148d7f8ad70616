/** FIFOs: pipes with a name. */

import type { FifoFile } from "../image/schema.js";
import { isPipeLink, readPipe } from "./pipe.js";
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
};
