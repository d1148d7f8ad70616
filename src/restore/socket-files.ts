/** Files of sockets that a restore has made, where its executor was killed and nobody has removed them. */

import { unlinkSync } from "node:fs";

import { S_IFSOCK, isType } from "../kinds/types.js";
import { native } from "../native.js";
import { OP, type Op } from "./plan.js";

/** The clock of files goes in steps of up to 10 ms. */
const STEP_NS = 10_000_000n;

/** Only what is newer than the restore: the others were there before. */
export function removeSocketFiles(create: readonly Op[], sinceNs: bigint): void {
  const paths = [...new Set(create.flatMap(pathsOf))];
  native()
    .stats(paths, false)
    .forEach((stat, i) => {
      const path = paths[i];
      if (path === undefined || typeof stat !== "object" || !isType(stat, S_IFSOCK) || stat.mtimeNs < sinceNs - STEP_NS) return;
      try {
        unlinkSync(path);
      } catch {
        // a socket's file that nobody is bound to: the next restore takes its place
      }
    });
}

function pathsOf({ type, data }: Op): string[] {
  if (type === OP.SOCKET_FILE || type === OP.UNLINK) return typeof data === "string" ? [data] : [];
  if (type !== OP.RENAME || !(data instanceof Uint8Array)) return [];
  return Buffer.from(data)
    .toString()
    .split("\0")
    .filter((path) => path !== "");
}
