/** What /proc tells of the descriptors of a task: /proc/<pid>/fd and /proc/<pid>/fdinfo, proc(5). */

import { native, type DescriptorTable, type Errno, type StatRecord } from "../native.js";

export interface DescriptorRecord {
  fd: number;
  /** what /proc/<pid>/fd/<fd> reads as */
  link: string | Errno;
  /** text of /proc/<pid>/fdinfo/<fd> */
  info: string | Errno;
  stat: StatRecord | Errno;
}

/** Numbers of each in DescriptorTable.stats */
const NUMBERS = 10;

/** In ascending order. Throws a system error if the table cannot be read: the task may have ended. */
export function readDescriptors(pid: number): DescriptorRecord[] {
  const table = native().descriptors(pid);
  return Array.from(table.fds, (fd, i) => ({ fd, link: table.links[i] ?? 0, info: table.infos[i] ?? 0, stat: statOf(table, i) }));
}

function statOf({ stats }: DescriptorTable, index: number): StatRecord | Errno {
  const at = (field: number): bigint => stats[NUMBERS * index + field] ?? 0n;
  if (at(0) !== 0n) return -Number(at(0));
  return {
    mode: Number(at(1)),
    nlink: Number(at(2)),
    uid: Number(at(3)),
    gid: Number(at(4)),
    dev: at(5),
    ino: at(6),
    rdev: at(7),
    size: at(8),
    mtimeNs: BigInt.asIntN(64, at(9)),
  };
}
