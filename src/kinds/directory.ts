/** Open directories. */

import type { DirectoryFile } from "../image/schema.js";
import type { RestoreHalf } from "../restore/context.js";
import { openNamed, seek } from "./open.js";
import { S_IFDIR, baseOf, isType, type DumpHalf } from "./types.js";

// ---- dump ----

export const directoryDump: DumpHalf = {
  claims: (found) => isType(found.stat, S_IFDIR) && found.link.startsWith("/"),

  dump(found, context): DirectoryFile | undefined {
    const identity = context.identity(found);
    if (identity === undefined) return undefined;
    return { ...baseOf(found), kind: "directory", identity, position: found.info.position };
  },
};

// ---- restore ----

export const directoryRestore: RestoreHalf<DirectoryFile> = (files, context) => {
  for (const file of files) {
    const stat = context.examine(file.identity, context.subject(file), { anyContents: true });
    if (stat !== undefined) seek(file, openNamed(file, file.identity, stat, context), context);
  }
};
