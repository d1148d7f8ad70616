/** What lies outside of the tree and must be handed over at restore: terminals, and pipes and sockets that lead out. */

import type { ExternalFile } from "../image/schema.js";
import { O_NONBLOCK } from "../proc/fdinfo.js";
import type { RestoreHalf } from "../restore/context.js";
import { OP } from "../restore/plan.js";
import { isPipeLink } from "./pipe.js";
import { S_IFCHR, S_IFIFO, S_IFSOCK, baseOf, isType, splitDevice, type DumpContext, type DumpHalf, type Found } from "./types.js";

/** Majors of terminals, Documentation/admin-guide/devices.txt: virtual consoles and serial lines, /dev/tty and console, pty slaves, other serial lines. */
export function isTerminal(found: Found): boolean {
  if (!isType(found.stat, S_IFCHR)) return false;
  const { major, minor } = splitDevice(found.stat.rdev);
  if (major === 5) return minor !== 2; // 5:2 is /dev/ptmx, a master
  return major === 4 || (major >= 136 && major <= 143) || major === 204 || major === 229;
}

// ---- dump ----

function whatOf(found: Found, context: DumpContext): Pick<ExternalFile, "what" | "key"> | undefined {
  if (isTerminal(found)) {
    const { major, minor } = splitDevice(found.stat.rdev);
    return context.isStandard(found.stat) ? { what: "tty", key: `tty:[${major}:${minor}]` } : undefined;
  }
  if (isPipeLink(found.link)) return { what: "pipe", key: found.link };
  if (isType(found.stat, S_IFIFO)) return { what: "fifo", key: `fifo:[${found.link}]` };
  // a socket's other end is not to be seen: only the root's own standard ones are taken to lead out
  if (isType(found.stat, S_IFSOCK) && context.standard(found.stat) !== undefined) return { what: "socket", key: found.link };
  return undefined;
}

export const externalDump: DumpHalf = {
  claims: (found, context) => whatOf(found, context) !== undefined,

  dump(found, context): ExternalFile | undefined {
    const what = whatOf(found, context);
    if (what === undefined) return undefined;
    const standard = context.standard(found.stat);
    return { ...baseOf(found), kind: "external", ...what, path: found.link, ...(standard === undefined ? {} : { standard }) };
  },
};

// ---- restore ----

export const externalRestore: RestoreHalf<ExternalFile> = (files, context) => {
  // descriptions of one object that the caller hands over once are one description then
  const slots = new Map<number, number>();
  for (const file of files) {
    const given = context.inherited(file);
    if (given === undefined) continue;
    let slot = slots.get(given.descriptor);
    if (slot === undefined) {
      slots.set(given.descriptor, (slot = context.slot()));
      const subject = context.subject(file);
      context.create({ type: OP.TAKE, slot, arg: given.descriptor, subject });
      // A program that set it itself counts on it, though its caller shares the description. Last: a restore that fails
      // shall leave the caller's own as it was.
      const flags = (given.flags & ~O_NONBLOCK) | (file.flags & O_NONBLOCK);
      if (flags !== given.flags) context.last({ type: OP.SETFL, slot, flags, subject });
    }
    context.place(file, slot);
  }
};
