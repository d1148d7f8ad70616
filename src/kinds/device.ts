/** Devices that have no state of their own: /dev/null and its like. */

import type { DeviceFile } from "../image/schema.js";
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
