/**
 * Mapped files without the right to follow /proc/<pid>/mfd/: by their names, where a mapping of our own shows that the
 * name leads to the same inode. What has no name stays out of reach.
 */

import { FILE_FLAG } from "../image/layout.js";
import { native, type Errno, type StatRecord } from "../native.js";
import { memoryOf } from "../proc/maps.js";

export const NEEDS_PRIVILEGE = "it takes CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN: run crctl dump as root";

const NAMELESS = FILE_FLAG.SHMEM_ANON | FILE_FLAG.MEMFD | FILE_FLAG.SYSV | FILE_FLAG.DELETED;

export interface NamedMapping {
  via: number;
  address?: bigint;
  name: string;
  fileFlags: number;
}

export class MappedNames {
  /** by thread: identity by start of the mapping */
  private readonly memory = new Map<number, ReadonlyMap<bigint, string>>();

  /** The inode behind the mapping, or why it cannot be told. */
  examine(mapping: NamedMapping): StatRecord | { why: string } {
    const { via, address, name, fileFlags } = mapping;
    if ((fileFlags & NAMELESS) !== 0 || address === undefined) {
      return { why: "it has no name, and may not be reached through /proc/<pid>/mfd/ without privilege" };
    }
    let memory = this.memory.get(via);
    if (memory === undefined) {
      const [text] = native().readTexts([`/proc/${via}/maps`]);
      this.memory.set(via, (memory = memoryOf(typeof text === "string" ? text : "")));
    }
    const [own] = native().mappedIds([name]);
    if (typeof own !== "string")
      return { why: `whether its name still leads to it cannot be told without privilege: ${ERRORS[own ?? 0] ?? `error ${-(own ?? 0)}`}` };
    if (memory.get(address) !== own) return { why: "its name leads to another file now" };
    const [stat] = native().stats([name], true);
    return typeof stat === "object" ? stat : { why: `the file cannot be examined (error ${-(stat ?? 0)})` };
  }
}

const ERRORS: Readonly<Record<Errno, string>> = { [-2]: "there is no such name", [-13]: "the file may not be read" };
