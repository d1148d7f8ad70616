/** The table of kinds of descriptors. */

import { closeSync } from "node:fs";

import type { OpenFile } from "../image/schema.js";
import { native } from "../native.js";
import { FASYNC } from "../proc/fdinfo.js";
import { deviceDump } from "./device.js";
import { directoryDump } from "./directory.js";
import { externalDump } from "./external.js";
import { fifoDump } from "./fifo.js";
import { memfdDump } from "./memfd.js";
import { pathDump } from "./path.js";
import { pipeDump } from "./pipe.js";
import { refuseDescriptor } from "./refused.js";
import { regularDump } from "./regular.js";
import { isSpecial } from "./special.js";
import { descriptorOf, type DumpContext, type DumpHalf, type Found } from "./types.js";

/** The first that claims a description saves it. */
const KINDS: readonly DumpHalf[] = [
  pathDump, // before all: such a descriptor is a name, whatever it names
  memfdDump, // before regular: it looks like a deleted file
  regularDump,
  directoryDump,
  deviceDump,
  pipeDump,
  fifoDump,
  externalDump,
];

/** undefined: refused */
export function dumpDescription(found: Found, context: DumpContext): OpenFile | undefined {
  const kind = isSpecial(found) ? undefined : KINDS.find((candidate) => candidate.claims(found, context));
  if (kind === undefined) {
    refuseDescriptor(found, context);
    return undefined;
  }
  const [lock] = found.info.locks;
  if (lock !== undefined) {
    context.refuse({
      ...descriptorOf(found),
      object: "file lock",
      why: `file locks are not saved yet (${lock.replace(/\s+/g, " ")})`,
      hint: "let the program release its lock first",
    });
    return undefined;
  }
  const file = kind.dump(found, context);
  return file === undefined || (found.info.flags & FASYNC) === 0 ? file : { ...file, owner: ownerOf(found) };
}

/** Who gets SIGIO. Only asked where O_ASYNC is set: without it the owner has no effect. */
function ownerOf(found: Found): { pid: number; type: number; signal: number } {
  const [holder] = found.holders;
  const fd = native().duplicateOf(holder.pid, holder.fd);
  try {
    return native().fileOwner(fd);
  } finally {
    closeSync(fd);
  }
}
