/**
 * Kinds of objects. What is known about a kind is in one module here, its dump half above, its restore half below.
 * To add a kind of descriptor: add a module, and a line to the table in dump.ts.
 */

import type { Details, ErrorCode } from "../errors.js";
import type { DataRef, FileIdentity, OpenFile } from "../image/schema.js";
import type { StatRecord } from "../native.js";
import type { FdInfo } from "../proc/fdinfo.js";

/** A descriptor of a task of the tree. */
export interface Holder {
  pid: number;
  /** the thread that /proc tells of it by: see viaOf() */
  via: number;
  comm: string;
  fd: number;
  /** the "lock:" lines of its fdinfo, which differ by process */
  locks: readonly string[];
}

/** An open file description, as it was found in the frozen tree. */
export interface Found {
  /** becomes OpenFile.id */
  id: number;
  /** all descriptors that lead to it; the first is the one that was examined */
  holders: readonly [Holder, ...Holder[]];
  /** what /proc/<pid>/fd/<fd> reads as */
  link: string;
  stat: StatRecord;
  info: FdInfo;
  /** what the module says beyond that, by DESCRIPTOR_WHAT */
  untold: ReadonlyMap<number, bigint>;
  /** the same, of those that are more than a number */
  untoldData: ReadonlyMap<number, Uint8Array>;
}

/** What a dump half may use. */
export interface DumpContext {
  /** every description of the tree */
  readonly files: readonly Found[];
  /** Notes that an object cannot be saved; the dump goes on to find the rest. */
  refuse(details: Details & { why: string; code?: ErrorCode }): void;
  /** Something that a person should know though it stops nothing. */
  warn(text: string): void;
  /** Whether it is the id of a task of the tree, be it live or a zombie. */
  inTree(pid: number): boolean;
  /** Whether a task outside of the tree holds something with this link. */
  outside(link: string): boolean;
  /** A task outside of the tree that has that inode open, in words. */
  outsideUser(stat: StatRecord): string | undefined;
  /** There may be tasks whose descriptors we must not see. */
  readonly blind: boolean;
  /** 0, 1 or 2 if that descriptor of the root task leads to this inode */
  standard(stat: StatRecord): number | undefined;
  /** The task outside of the tree that has a side of that pseudo-terminal open, in words. */
  outsideTerminal(index: number): string | undefined;
  /** Whether a task of the tree has it as descriptor 0, 1 or 2. */
  isStandard(stat: StatRecord): boolean;
  /** Saves the contents of an inode, once however often it is asked for. `source` is a path that leads to it while the tree is frozen. */
  contents(stat: StatRecord, source: string): { data: DataRef; ghost: number };
  /** The index in memory.msgpack of a memfd that is open as a descriptor. */
  memfd(found: Found): number | undefined;
  /** The id of what came to us in a message; a description that no task has open becomes one of the tree's. Takes the descriptor. */
  passed(fd: number): number;
  /** What becomes of TCP connections out of the tree. */
  readonly outsideTcp: OutsideTcp;
  /** Whether the packets of that one are held back; `key` by keyOf() of kinds/tcp/connections.ts. */
  isHeld(key: string): boolean;
  /** The tree is only looked at, and runs: what is in its objects is left alone, and the module tells nothing of them. */
  readonly running: boolean;
  /** The other end shall not hear of it when the tree is ended. */
  quiet(fd: number): void;
  /** Name and inode, checked: undefined if it has been refused. */
  identity(found: Found, options?: { followLinks?: boolean }): FileIdentity | undefined;
}

/** Why an object cannot be saved, without what it is. */
export type Obstacle = Pick<Details, "hint" | "transient"> & { why: string; code?: ErrorCode };

/** reset: their program finds them so; keep: they go on after the restore */
export type OutsideTcp = "refuse" | "reset" | "keep";

export interface DumpHalf {
  /** Before any description is dumped: finds those that only others of its kind hold. */
  prepare?(context: DumpContext): void;
  /** whether this kind takes care of it; the first that says so does */
  claims(found: Found, context: DumpContext): boolean;
  /** undefined: refused */
  dump(found: Found, context: DumpContext): OpenFile | undefined;
  /**
   * In place of dump() while the tree runs, for kinds whose dump() looks at what is in an object or needs what the module tells of it.
   * Refuses what it can; undefined: refused, or nothing that anybody needs to know.
   */
  look?(found: Found, context: DumpContext): OpenFile | undefined;
}

/** The fields of a problem that tell which descriptor it is about. */
export function descriptorOf(found: Found): Details {
  const [first] = found.holders;
  return { pid: first.pid, comm: first.comm, fd: first.fd, path: found.link };
}

/** The path that leads to it while its task is frozen. */
export function sourceOf(found: Found): string {
  const [first] = found.holders;
  return `/proc/${first.via}/fd/${first.fd}`;
}

/** No task has it as a descriptor: it is in a message, from which we have one. */
export function isOnItsWay({ holders: [holder] }: Found): boolean {
  return holder.pid === process.pid;
}

/** The path of what /proc says about it. */
export function infoPathOf(found: Found): string {
  const [first] = found.holders;
  return `/proc/${first.via}/fdinfo/${first.fd}`;
}

/** The fields that all open files share. */
export function baseOf(found: Found): { id: number; flags: number } {
  return { id: found.id, flags: found.info.flags };
}

export const S_IFMT = 0o170000;
export const S_IFSOCK = 0o140000;
export const S_IFLNK = 0o120000;
export const S_IFREG = 0o100000;
export const S_IFBLK = 0o060000;
export const S_IFDIR = 0o040000;
export const S_IFCHR = 0o020000;
export const S_IFIFO = 0o010000;

export function isType(stat: StatRecord, type: number): boolean {
  return (stat.mode & S_IFMT) === type;
}

/** Key of an inode. */
export function inodeKey(stat: { dev: bigint; ino: bigint }): string {
  return `${stat.dev}:${stat.ino}`;
}

/** Key of an inode as the kernel writes it in fdinfo: its own device number, major << 20 | minor. */
export function inodeOf(stat: StatRecord): { ino: bigint; sdev: bigint } {
  const { major, minor } = splitDevice(stat.dev);
  return { ino: stat.ino, sdev: (BigInt(major) << 20n) | BigInt(minor) };
}

/** makedev(3) of glibc, undone */
export function splitDevice(rdev: bigint): { major: number; minor: number } {
  return {
    major: Number(((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xfffff000n)),
    minor: Number((rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n)),
  };
}
