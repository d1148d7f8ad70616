/** What dump halves of kinds see of a dump. */

import { closeSync } from "node:fs";

import type { Details, ErrorCode } from "../errors.js";
import type { DataRef, FileIdentity } from "../image/schema.js";
import { NAMING_PROBLEMS, makeIdentity, nameOf } from "../kinds/identity.js";
import type { MemoryTable } from "../kinds/memory.js";
import { isPipeLink } from "../kinds/pipe.js";
import { duplicateOf } from "../kinds/duplicates.js";
import type { HeldConnections } from "../kinds/tcp/held.js";
import { descriptorOf, inodeKey, sourceOf, type DumpContext, type Found, type OutsideTcp } from "../kinds/types.js";
import { native, type StatRecord } from "../native.js";
import { O_ACCMODE, O_RDWR, parseFdInfo } from "../proc/fdinfo.js";
import type { Contents } from "./contents.js";
import type { Outsiders } from "./outside.js";
import type { Problems } from "./problems.js";

const KCMP_FILE = 0;
const F_DUPFD_CLOEXEC = 1030;

export class Context implements DumpContext {
  /** what only messages hold is added while the others are looked at */
  readonly files: Found[];
  /** inode: lowest standard descriptor of the root task */
  private readonly rootStandards = new Map<string, number>();
  private readonly standards = new Set<string>();
  private readonly unseen = new Map<string, boolean>();

  constructor(
    files: Found[],
    rootPid: number,
    private readonly parts: { problems: Problems; contents: Contents; memory: MemoryTable; outsiders: Outsiders; held?: HeldConnections },
    readonly outsideTcp: OutsideTcp,
    readonly running = false,
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

  /** Descriptors of ours of connections that are to end without a packet. */
  readonly quietly: number[] = [];

  quiet(fd: number): void {
    this.quietly.push(native().fcntlNumber(fd, F_DUPFD_CLOEXEC, 0));
  }

  isHeld(key: string): boolean {
    return this.parts.held?.has(key) === true;
  }

  refuse(problem: Details & { why: string; code?: ErrorCode }): void {
    this.parts.problems.add(problem);
  }

  warn(text: string): void {
    this.parts.problems.warn(text);
  }

  inTree(pid: number): boolean {
    return this.parts.outsiders.inTree(pid);
  }

  outside(link: string): boolean {
    return this.parts.outsiders.holds(link) || (this.parts.outsiders.blind && isPipeLink(link) && this.heldUnseen(link));
  }

  outsideUser({ dev, ino }: StatRecord): string | undefined {
    return this.parts.outsiders.fileUser(dev, ino);
  }

  get blind(): boolean {
    return this.parts.outsiders.blind;
  }

  outsideTerminal(index: number): string | undefined {
    return this.parts.outsiders.terminalUser(index);
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
    const own = duplicateOf(end.holders[0]);
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

  passed(fd: number): number {
    const own = ownDescriptor(fd, this.files.length);
    const known = this.files.find(
      ({ stat, info, holders: [holder] }) =>
        inodeKey(stat) === inodeKey(own.stat) &&
        info.flags === own.info.flags &&
        native().kcmp(process.pid, holder.via, KCMP_FILE, fd, holder.fd) === 0,
    );
    if (known !== undefined) {
      closeSync(fd);
      return known.id;
    }
    this.files.push(own);
    return own.id;
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

/** A descriptor of ours in the place of one of the tree's: it stays open until all is copied. */
function ownDescriptor(fd: number, id: number): Found {
  const [link] = native().readLinks([`/proc/self/fd/${fd}`]);
  const [stat] = native().stats([`/proc/self/fd/${fd}`], true);
  const [info] = native().readTexts([`/proc/self/fdinfo/${fd}`]);
  if (typeof link !== "string" || typeof stat !== "object" || typeof info !== "string")
    throw new Error(`descriptor ${fd} cannot be examined`);
  const parsed = parseFdInfo(info);
  return {
    id,
    holders: [{ pid: process.pid, via: process.pid, comm: "crctl", fd, locks: parsed.locks }],
    link,
    stat,
    info: parsed,
    untold: new Map(),
    untoldData: new Map(),
  };
}
