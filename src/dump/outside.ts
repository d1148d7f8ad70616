/**
 * Who outside of the tree holds an end of a pipe or a side of a terminal, or shares memory or a file without a name with it. Most of it is found out before the tree is
 * frozen.
 */

import type { FileIdentity, MappedFile, OpenFile } from "../image/schema.js";
import { isPipeLink } from "../kinds/pipe.js";
import { masterIndex, slavePath } from "../kinds/pty.js";
import { native, type SharedMapping } from "../native.js";
import { CAP, hasCapability } from "../proc/capabilities.js";
import { readDescriptors } from "../proc/descriptors.js";
import { parseFdInfo } from "../proc/fdinfo.js";
import { parseStat } from "../proc/stat.js";
import type { Problems } from "./problems.js";

export class Outsiders {
  /** there may be tasks whose descriptors we must not see */
  readonly blind = !hasCapability(CAP.SYS_PTRACE);
  private readonly scanned: ReadonlySet<number>;
  /** of pipes and sockets; link: pids */
  private readonly ends = new Map<string, number[]>();
  private readonly fifos = new Map<string, boolean>();
  /** device and inode as in /proc/<pid>/maps: pids */
  private readonly memory = new Map<string, SharedMapping[]>();
  /** device: who has its files open */
  private readonly users = new Map<bigint, { pid: number; ino: bigint }[]>();
  private terminals: { pid: number; link: string }[] | undefined;
  private tree: ReadonlySet<number> = new Set();
  /** those that are not in the tree; undefined until they matter */
  private others: number[] | undefined;

  /** Looks at all tasks. `running`: the tree goes on making tasks, which belong to it though nobody has listed them. */
  constructor(
    root: number,
    private readonly running = false,
  ) {
    const pids = native()
      .listNumbers("/proc")
      .filter((pid) => pid !== process.pid);
    this.scanned = new Set(pids);
    this.scan(pids);
    // most trees share no such memory, and most systems have many tasks
    const tree = native().sharedMemory(
      native()
        .listTree(root)
        .map((task) => task.pid),
    );
    if (tree.length === 0) return;
    for (const mapping of native().sharedMemory(pids)) {
      const known = this.memory.get(mapping.key);
      if (known === undefined) this.memory.set(mapping.key, [mapping]);
      else known.push(mapping);
    }
  }

  /** Memory that is shared with somebody else would be two different memories after a restore. */
  checkMemory(files: readonly MappedFile[], problems: Problems): void {
    for (const file of files) {
      const { kind, identity } = file;
      if (kind !== "shmem" && kind !== "memfd" && kind !== "ghost") continue;
      const other = this.sharer(file);
      if (other === undefined) continue;
      problems.add({
        code: "E_EXTERNAL",
        object: "shared memory",
        path: identity.path,
        why: `it is shared with ${other}, which is not in the tree`,
        hint: "dump a tree that has all tasks that share it",
      });
    }
  }

  /** Who outside of the tree maps it, and so that it matters. */
  sharer({ kind, kernelDev, kernelIno }: MappedFile): string | undefined {
    const key = `${hex(kernelDev >> 32n)}:${hex(kernelDev & 0xffffffffn)} ${kernelIno}`;
    const isIt = (shared: SharedMapping): boolean => shared.key === key && (kind === "ghost" || shared.sysv === (kind === "sysv"));
    const sharers = (this.memory.get(key) ?? []).filter(isIt);
    // a deleted file that all only read, like a library's table after an upgrade, may as well be two
    if (kind === "ghost" && !sharers.some(({ writable }) => writable)) return undefined;
    const candidates = sharers.map(({ pid }) => pid).filter((pid) => !this.tree.has(pid));
    // what the first look met may have ended since, a task of the tree too
    const shared = candidates.length === 0 ? [] : native().sharedMemory(candidates).filter(isIt);
    const other = shared.find((mapping) => this.isStranger(mapping.pid))?.pid;
    return other === undefined ? undefined : nameOf(other);
  }

  /** Files without a name that somebody else has open come back as files of the tree's own. */
  checkDeleted(memory: readonly MappedFile[], files: readonly OpenFile[], problems: Problems): void {
    const wanted = new Map<string, { path: string; memfd: boolean }>();
    const want = ({ dev, ino, path }: FileIdentity, memfd: boolean): void => void wanted.set(`${dev}:${ino}`, { path, memfd });
    for (const { kind, identity } of memory) if (kind === "memfd" || kind === "ghost") want(identity, kind === "memfd");
    for (const file of files) if (file.kind === "regular" && file.identity.deleted) want(file.identity, false);
    if (wanted.size === 0) return;
    for (const { pid, dev, ino } of native().deletedHolders((this.others ??= this.look()))) {
      const key = `${dev}:${ino}`;
      const found = wanted.get(key);
      if (found === undefined || !this.isStranger(pid)) continue;
      wanted.delete(key);
      const { path, memfd } = found;
      const why = `${nameOf(pid)}, which is not in the tree, has it open too`;
      if (memfd) {
        problems.add({ code: "E_EXTERNAL", object: "memfd", path, why, hint: "dump a tree that has all tasks that share it" });
      } else {
        problems.warn(`${path}: ${why}; the restored tree gets a file of its own with the same contents`);
      }
    }
  }

  /** Who belongs to the tree. */
  except(tree: ReadonlySet<number>): void {
    this.tree = tree;
    this.others = undefined;
    this.fifos.clear();
    this.users.clear();
    this.terminals = undefined;
  }

  inTree(pid: number): boolean {
    return this.tree.has(pid);
  }

  holds(link: string): boolean {
    const others = (this.others ??= this.look());
    if (isPipeLink(link) || link.startsWith("socket:[")) return this.stillHolds(link, this.ends.get(link) ?? []);
    let held = this.fifos.get(link);
    if (held === undefined)
      this.fifos.set(
        link,
        (held = native()
          .holders(others, [link])
          .some((holder) => holder.link === link && this.isStranger(holder.pid))),
      );
    return held;
  }

  /** Who has the slave or the master of a pseudo-terminal open. */
  terminalUser(index: number): string | undefined {
    const others = (this.others ??= this.look());
    const slave = slavePath(index);
    this.terminals ??= native().holders(others, ["/dev/pts/", "/dev/ptmx"]);
    const user = this.terminals.find(({ pid, link }) => (link === slave || hasMaster(pid, link, index)) && this.isStranger(pid));
    return user === undefined ? undefined : nameOf(user.pid);
  }

  /** Who has a file open whose file system is known to have few. */
  fileUser(dev: bigint, ino: bigint): string | undefined {
    const others = (this.others ??= this.look());
    let users = this.users.get(dev);
    if (users === undefined) this.users.set(dev, (users = native().fileHolders(others, dev)));
    const user = users.find((holder) => holder.ino === ino && this.isStranger(holder.pid));
    return user === undefined ? undefined : nameOf(user.pid);
  }

  /** The first look met tasks that have ended since; of the tree too, like a shell's short-lived children. */
  private stillHolds(link: string, pids: readonly number[]): boolean {
    const candidates = pids.filter((pid) => !this.tree.has(pid));
    return (
      candidates.length > 0 &&
      native()
        .holders(candidates, [link])
        .some((holder) => holder.link === link && this.isStranger(holder.pid))
    );
  }

  /** A task that was forked while we looked is no stranger; what has ended is nobody. */
  private isStranger(pid: number): boolean {
    if (!this.running) return true;
    for (let ancestor = pid; ancestor > 0;) {
      if (this.tree.has(ancestor)) return false;
      const [text] = native().readTexts([`/proc/${ancestor}/stat`]);
      if (typeof text !== "string") return ancestor !== pid;
      ancestor = parseStat(text).ppid;
    }
    return true;
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
    for (const { pid, link } of native().holders(pids, ["pipe:[", "socket:["])) {
      const known = this.ends.get(link);
      if (known === undefined) this.ends.set(link, [pid]);
      else known.push(pid);
    }
  }
}

/** All masters have the same name: which pair one belongs to, /proc/<pid>/fdinfo tells. */
function hasMaster(pid: number, link: string, index: number): boolean {
  if (!link.endsWith("/ptmx")) return false;
  try {
    return readDescriptors(pid).some(
      (record) => record.link === link && typeof record.info === "string" && masterIndex(link, parseFdInfo(record.info)) === index,
    );
  } catch {
    return false; // it has ended
  }
}

function nameOf(pid: number): string {
  const [text] = native().readTexts([`/proc/${pid}/stat`]);
  return `task ${pid}${typeof text === "string" ? ` (${parseStat(text).comm})` : ""}`;
}

/** As %02x of printf(3). */
function hex(value: bigint): string {
  return value.toString(16).padStart(2, "0");
}
