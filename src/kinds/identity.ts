/** Which name leads to an inode, and whether one does. */

import { readdirSync, statSync, statfsSync } from "node:fs";
import { dirname } from "node:path";

import { isShortage } from "../errors.js";
import type { FileIdentity } from "../image/schema.js";
import { native, type StatRecord } from "../native.js";

const DELETED = " (deleted)";

export type Naming =
  /** a name leads to it: that of the link, or another one in the same directory */
  | { state: "named"; path: string }
  /** no name is known; linked elsewhere if nlink is not 0 */
  | { state: "deleted"; path: string }
  /** the name leads to something else now */
  | { state: "hidden"; path: string }
  | { state: "unreachable"; path: string }
  /** below /proc/<pid>: what it tells belongs to a process, and not the one that a later path leads to */
  | { state: "process"; path: string }
  | { state: "not-utf8"; path: string };

/** What the link of a descriptor, a working directory or a mapping says about the inode behind it. */
export function nameOf(link: string, stat: StatRecord, followLinks: boolean): Naming {
  if (link.includes("\uFFFD")) return { state: "not-utf8", path: link };
  if (!link.startsWith("/")) return { state: "unreachable", path: link };
  if (belongsToProcess(link)) return { state: "process", path: link };
  if (leadsTo(link, stat, followLinks)) return { state: "named", path: link };
  if (!link.endsWith(DELETED)) return { state: "hidden", path: link };
  const path = link.slice(0, -DELETED.length);
  // a file that was replaced and then put back under its name, or a name that really ends so
  if (leadsTo(path, stat, followLinks)) return { state: "named", path };
  const other = stat.nlink > 0 ? siblingOf(path, stat) : undefined;
  return other === undefined ? { state: "deleted", path } : { state: "named", path: other };
}

/** f_type of statfs(2), and the inode number of its root */
export const PROC_SUPER_MAGIC = 0x9fa0;
const PROC_ROOT_INO = 1;

function belongsToProcess(path: string): boolean {
  return [...path.matchAll(/\/[0-9]+(?=\/|$)/g)].some(({ index }) => {
    const above = path.slice(0, index);
    try {
      return above !== "" && statSync(above).ino === PROC_ROOT_INO && statfsSync(above).type === PROC_SUPER_MAGIC;
    } catch {
      return false; // nothing is there any more
    }
  });
}

function leadsTo(path: string, stat: StatRecord, followLinks: boolean): boolean {
  const [found] = native().stats([path], followLinks);
  return typeof found === "object" && found.dev === stat.dev && found.ino === stat.ino;
}

/** Another name of the inode in the directory where it had the one that is gone. */
function siblingOf(path: string, stat: StatRecord): string | undefined {
  const dir = dirname(path);
  let names: string[];
  try {
    names = readdirSync(dir);
  } catch (error) {
    if (isShortage(error)) throw error;
    return undefined;
  }
  const paths = names.map((name) => `${dir === "/" ? "" : dir}/${name}`);
  const stats = native().stats(paths, false);
  return paths.find((_, i) => {
    const found = stats[i];
    return typeof found === "object" && found.dev === stat.dev && found.ino === stat.ino;
  });
}

export function makeIdentity(path: string, stat: StatRecord, deleted: boolean, mountId?: number): FileIdentity {
  return {
    path,
    dev: stat.dev,
    ino: stat.ino,
    mode: stat.mode,
    uid: stat.uid,
    gid: stat.gid,
    size: stat.size,
    mtimeNs: stat.mtimeNs,
    deleted,
    ...(mountId === undefined ? {} : { mountId }),
  };
}

/** Why a name cannot be used, for all but deleted files, which some kinds can save. */
export const NAMING_PROBLEMS: Readonly<
  Record<Exclude<Naming["state"], "named" | "deleted">, { why: string; hint: string; transient?: true }>
> = {
  hidden: {
    why: "its path leads to another file now: something was mounted over it, or it was moved between mounts",
    hint: "make the path lead to the file again, or close the descriptor",
  },
  unreachable: {
    why: "no path leads to it from the root directory of crctl",
    hint: "run crctl where the whole file system is visible",
  },
  process: {
    why: "it shows a process, and files of /proc/<pid> cannot be opened as they were before there is one",
    hint: "let the program close it, or leave the directory, before the dump",
    transient: true,
  },
  "not-utf8": { why: "its path is not UTF-8, which images hold no other", hint: "rename the file" },
};
