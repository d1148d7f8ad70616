/** O_PATH descriptors: a name, whatever it leads to. */

import type { PathFile } from "../image/schema.js";
import { O_PATH } from "../proc/fdinfo.js";
import type { RestoreHalf } from "../restore/context.js";
import { openNamed } from "./open.js";
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

// ---- restore ----

export const pathRestore: RestoreHalf<PathFile> = (files, context) => {
  for (const file of files) {
    const stat = context.examine(file.identity, context.subject(file), { anyContents: true });
    if (stat !== undefined) openNamed(file, file.identity, stat, context);
  }
};
