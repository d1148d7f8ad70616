/** Regular files: by name, or with their contents if no name leads to them any more. */

import type { RegularFile } from "../image/schema.js";
import type { RestoreHalf } from "../restore/context.js";
import { NAMING_PROBLEMS, makeIdentity, nameOf } from "./identity.js";
import { openAgain, openNamed, seek } from "./open.js";
import { S_IFREG, baseOf, descriptorOf, isType, sourceOf, type DumpHalf } from "./types.js";

// ---- dump ----

export const regularDump: DumpHalf = {
  claims: (found) => isType(found.stat, S_IFREG) && found.link.startsWith("/"),

  dump(found, context): RegularFile | undefined {
    const { stat, info } = found;
    const naming = nameOf(found.link, stat, true);
    const base = { ...baseOf(found), kind: "regular", position: info.position } as const;
    switch (naming.state) {
      case "named":
        return { ...base, identity: makeIdentity(naming.path, stat, false, info.mountId) };
      case "deleted": {
        if (stat.nlink > 0) {
          context.warn(
            `${naming.path}: deleted, but still linked under another name elsewhere; the restored task gets a file of its own with the same contents`,
          );
        }
        const identity = makeIdentity(naming.path, stat, true, info.mountId);
        return { ...base, identity, ...context.contents(stat, sourceOf(found)) };
      }
      default:
        context.refuse({ ...descriptorOf(found), object: "file", ...NAMING_PROBLEMS[naming.state] });
        return undefined;
    }
  },
};

// ---- restore ----

export const regularRestore: RestoreHalf<RegularFile> = (files, context) => {
  for (const file of files) {
    const { identity, data, ghost } = file;
    const subject = context.subject(file);
    if (identity.deleted) {
      if (data === undefined || ghost === undefined) {
        context.refuse({ ...subject, code: "E_IMAGE_DAMAGED", why: "the image lacks the contents of a deleted file" });
        continue;
      }
      const slot = openAgain(file, context.ghost(ghost, identity, data, subject), context);
      seek(file, slot, context);
      continue;
    }
    const stat = context.examine(identity, subject, { neededSize: file.position });
    if (stat !== undefined) seek(file, openNamed(file, identity, stat, context), context);
  }
};
