/** Devices that have no state of their own: /dev/null and its like. */

import type { DeviceFile } from "../image/schema.js";
import type { RestoreHalf } from "../restore/context.js";
import { openNamed } from "./open.js";
import { S_IFCHR, baseOf, isType, splitDevice, type DumpHalf } from "./types.js";

/** minor numbers of major 1, Documentation/admin-guide/devices.txt: null, zero, full, random, urandom */
const STATELESS = new Set([3, 5, 7, 8, 9]);

// ---- dump ----

export const deviceDump: DumpHalf = {
  claims(found) {
    if (!isType(found.stat, S_IFCHR)) return false;
    const { major, minor } = splitDevice(found.stat.rdev);
    return major === 1 && STATELESS.has(minor);
  },

  dump(found, context): DeviceFile | undefined {
    const identity = context.identity(found);
    if (identity === undefined) return undefined;
    return { ...baseOf(found), kind: "device", identity, ...splitDevice(found.stat.rdev) };
  },
};

// ---- restore ----

export const deviceRestore: RestoreHalf<DeviceFile> = (files, context) => {
  for (const file of files) {
    const { identity, major, minor } = file;
    const stat = context.examine(identity, context.subject(file), { anyContents: true, device: { major, minor } });
    if (stat !== undefined) openNamed(file, identity, stat, context);
  }
};
