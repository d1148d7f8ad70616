/** /proc/sysvipc/shm, proc_sysvipc(5): the segments of our IPC namespace. */

import { readFileSync } from "node:fs";

import { isSystemError } from "../errors.js";

export interface SegmentStat {
  key: number;
  id: number;
  /** permissions */
  mode: number;
  /** marked for destruction, SHM_DEST */
  destroyed: boolean;
  /** SHM_LOCKED */
  locked: boolean;
  size: bigint;
  creatorPid: number;
  /** shm_nattch: mappings in all tasks */
  attached: number;
  uid: number;
  gid: number;
  cuid: number;
  cgid: number;
}

const PERMISSIONS = 0o777;
const SHM_DEST = 0o1000;
const SHM_LOCKED = 0o2000;

export function parseSegments(text: string): SegmentStat[] {
  return text
    .split("\n")
    .slice(1)
    .flatMap((line): SegmentStat[] => {
      const [key, id, perms, size, cpid, , attached, uid, gid, cuid, cgid] = line.trim().split(/\s+/);
      if (cgid === undefined) return [];
      const mode = Number.parseInt(perms ?? "", 8);
      return [
        {
          key: Number(key),
          id: Number(id),
          mode: mode & PERMISSIONS,
          destroyed: (mode & SHM_DEST) !== 0,
          locked: (mode & SHM_LOCKED) !== 0,
          size: BigInt(size ?? 0),
          creatorPid: Number(cpid),
          attached: Number(attached),
          uid: Number(uid),
          gid: Number(gid),
          cuid: Number(cuid),
          cgid: Number(cgid),
        },
      ];
    });
}

export function readSegments(): SegmentStat[] {
  try {
    return parseSegments(readFileSync("/proc/sysvipc/shm", "latin1"));
  } catch (error) {
    if (isSystemError(error) && error.code === "ENOENT") return []; // a kernel without
    throw error;
  }
}
