/** O_PATH descriptors: a name, whatever it leads to. */

import type { PathFile } from "../image/schema.js";
import { O_PATH } from "../proc/fdinfo.js";
import { baseOf, type DumpHalf } from "./types.js";

// ---- dump ----

export const pathDump: DumpHalf = {
  claims: (found) => (found.info.flags & O_PATH) !== 0,

  dump(found, context): PathFile | undefined {
    // with O_NOFOLLOW the descriptor may be that of a symbolic link itself
    const identity = context.identity(found, { followLinks: false });
    return identity === undefined ? undefined : { ...baseOf(found), kind: "path", identity };
  },
};
