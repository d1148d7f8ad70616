/**
 * Who outside of the tree holds an end of a pipe, or shares memory with it. Most of it is found out before the tree is
 * frozen.
 */

import type { MappedFile } from "../image/schema.js";
import { isPipeLink } from "../kinds/pipe.js";
import { native } from "../native.js";
import { parseStat } from "../proc/stat.js";
import type { Problems } from "./problems.js";

export class Outsiders {
  private readonly scanned: ReadonlySet<number>;
  /** link: pids */
  private readonly pipes = new Map<string, number[]>();
  private readonly fifos = new Map<string, boolean>();
  /** device and inode as in /proc/<pid>/maps: pids */
  private readonly memory = new Map<string, number[]>();
  private tree: ReadonlySet<number> = new Set();
  /** those that are not in the tree; undefined until they matter */
  private others: number[] | undefined;

  /** Looks at all tasks. */
  constructor(root: number) {
    const pids = native()
      .listNumbers("/proc")
      .filter((pid) => pid !== process.pid);
    this.scanned = new Set(pids);
    this.scan(pids);
    // most trees share no such memory, and most systems have many tasks
    const tree = native().sharedMemory(native().listTree(root).map((task) => task.pid));
    if (tree.length === 0) return;
    for (const { pid, key } of native().sharedMemory(pids)) {
      const known = this.memory.get(key);
      if (known === undefined) this.memory.set(key, [pid]);
      else known.push(pid);
    }
  }

  /** Memory that is shared with somebody else would be two different memories after a restore. */
  checkMemory(files: readonly MappedFile[], problems: Problems): void {
    for (const { kind, identity, kernelDev, kernelIno } of files) {
      if (kind !== "shmem" && kind !== "memfd") continue;
      const key = `${hex(kernelDev >> 32n)}:${hex(kernelDev & 0xffffffffn)} ${kernelIno}`;
      const candidates = this.memory.get(key)?.filter((pid) => !this.tree.has(pid)) ?? [];
      // what the first look met may have ended since, a task of the tree too
      const other = candidates.length === 0 ? undefined : native().sharedMemory(candidates).find((shared) => shared.key === key)?.pid;
      if (other === undefined) continue;
      const [text] = native().readTexts([`/proc/${other}/stat`]);
      const comm = typeof text === "string" ? ` (${parseStat(text).comm})` : "";
      problems.add({
        code: "E_EXTERNAL",
        object: "shared memory",
        path: identity.path,
        why: `it is shared with task ${other}${comm}, which is not in the tree`,
        hint: "dump a tree that has all tasks that share it",
      });
    }
  }

  /** Who belongs to the tree. */
  except(tree: ReadonlySet<number>): void {
    this.tree = tree;
    this.others = undefined;
    this.fifos.clear();
  }

  holds(link: string): boolean {
    const others = (this.others ??= this.look());
    if (isPipeLink(link)) return this.stillHolds(link, this.pipes.get(link) ?? []);
    let held = this.fifos.get(link);
    if (held === undefined) this.fifos.set(link, (held = native().holders(others, [link]).some((holder) => holder.link === link)));
    return held;
  }

  /** The first look met tasks that have ended since; of the tree too, like a shell's short-lived children. */
  private stillHolds(link: string, pids: readonly number[]): boolean {
    const candidates = pids.filter((pid) => !this.tree.has(pid));
    return candidates.length > 0 && native().holders(candidates, [link]).some((holder) => holder.link === link);
  }

  /** Those who came since the first look are looked at too. */
  private look(): number[] {
    const others = native()
      .listNumbers("/proc")
      .filter((pid) => pid !== process.pid && !this.tree.has(pid));
    this.scan(others.filter((pid) => !this.scanned.has(pid)));
    return others;
  }

  private scan(pids: readonly number[]): void {
    for (const { pid, link } of native().holders(pids, ["pipe:["])) {
      const known = this.pipes.get(link);
      if (known === undefined) this.pipes.set(link, [pid]);
      else known.push(pid);
    }
  }
}

/** As %02x of printf(3). */
function hex(value: bigint): string {
  return value.toString(16).padStart(2, "0");
}
