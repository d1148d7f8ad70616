/** What dump halves of kinds see of a dump. */

import { closeSync } from "node:fs";

import type { Details, ErrorCode } from "../errors.js";
import type { DataRef, FileIdentity } from "../image/schema.js";
import { NAMING_PROBLEMS, makeIdentity, nameOf } from "../kinds/identity.js";
import type { MemoryTable } from "../kinds/memory.js";
import { isPipeLink } from "../kinds/pipe.js";
import { descriptorOf, inodeKey, sourceOf, type DumpContext, type Found } from "../kinds/types.js";
import { native, type StatRecord } from "../native.js";
import { O_ACCMODE, O_RDWR } from "../proc/fdinfo.js";
import type { Contents } from "./contents.js";
import type { Outsiders } from "./outside.js";
import type { Problems } from "./problems.js";

export class Context implements DumpContext {
  readonly files: readonly Found[];
  /** inode: lowest standard descriptor of the root task */
  private readonly rootStandards = new Map<string, number>();
  private readonly standards = new Set<string>();
  private readonly unseen = new Map<string, boolean>();

  constructor(
    files: readonly Found[],
    rootPid: number,
    private readonly parts: { problems: Problems; contents: Contents; memory: MemoryTable; outsiders: Outsiders },
  ) {
    this.files = files;
    for (const file of files) {
      const key = inodeKey(file.stat);
      for (const { pid, fd } of file.holders) {
        if (fd > 2) continue;
        this.standards.add(key);
        if (pid === rootPid) this.rootStandards.set(key, Math.min(fd, this.rootStandards.get(key) ?? fd));
      }
    }
  }

  refuse(problem: Details & { why: string; code?: ErrorCode }): void {
    this.parts.problems.add(problem);
  }

  warn(text: string): void {
    this.parts.problems.warn(text);
  }

  outside(link: string): boolean {
    return this.parts.outsiders.holds(link) || (this.parts.outsiders.blind && isPipeLink(link) && this.heldUnseen(link));
  }

  /**
   * Where we may not look at everybody's descriptors: an end that the tree does not hold, and that is open all the same, is
   * somebody's. Further holders of an end that the tree has cannot be known.
   */
  private heldUnseen(link: string): boolean {
    let unseen = this.unseen.get(link);
    if (unseen === undefined) this.unseen.set(link, (unseen = this.lookForOtherEnd(link)));
    return unseen;
  }

  private lookForOtherEnd(link: string): boolean {
    const ends = this.files.filter((file) => file.link === link);
    const modes = new Set(ends.map((file) => file.info.flags & O_ACCMODE));
    const [end] = ends;
    if (end === undefined) return false;
    if (modes.size > 1 || modes.has(O_RDWR)) {
      this.warn(`${link}: without privilege only your own tasks were looked at; another user's may hold an end of it, too`);
      return false;
    }
    const [{ pid, fd }] = end.holders;
    const own = native().duplicateOf(pid, fd);
    try {
      return !native().otherEndClosed(own);
    } finally {
      closeSync(own);
    }
  }

  standard(stat: StatRecord): number | undefined {
    return this.rootStandards.get(inodeKey(stat));
  }

  isStandard(stat: StatRecord): boolean {
    return this.standards.has(inodeKey(stat));
  }

  contents(stat: StatRecord, source: string): { data: DataRef; ghost: number } {
    return this.parts.contents.of(stat, source);
  }

  memfd(found: Found): number | undefined {
    return this.parts.memory.memfd(found.stat, found.link, sourceOf(found));
  }

  identity(found: Found, options: { followLinks?: boolean } = {}): FileIdentity | undefined {
    const naming = nameOf(found.link, found.stat, options.followLinks ?? true);
    if (naming.state === "named") return makeIdentity(naming.path, found.stat, false, found.info.mountId);
    const problem =
      naming.state === "deleted"
        ? { why: "it has been deleted, and only regular files are saved without a name", hint: "let the program close it first" }
        : NAMING_PROBLEMS[naming.state];
    this.refuse({ ...descriptorOf(found), object: "file", ...problem });
    return undefined;
  }
}
