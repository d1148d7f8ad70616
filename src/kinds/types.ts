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
  comm: string;
  fd: number;
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
}

/** What a dump half may use. */
export interface DumpContext {
  /** every description of the tree */
  readonly files: readonly Found[];
  /** Notes that an object cannot be saved; the dump goes on to find the rest. */
  refuse(details: Details & { why: string; code?: ErrorCode }): void;
  /** Something that a person should know though it stops nothing. */
  warn(text: string): void;
  /** Whether a task outside of the tree holds something with this link. */
  outside(link: string): boolean;
  /** 0, 1 or 2 if that descriptor of the root task leads to this inode */
  standard(stat: StatRecord): number | undefined;
  /** Whether a task of the tree has it as descriptor 0, 1 or 2. */
  isStandard(stat: StatRecord): boolean;
  /** Saves the contents of an inode, once however often it is asked for. `source` is a path that leads to it while the tree is frozen. */
  contents(stat: StatRecord, source: string): { data: DataRef; ghost: number };
  /** The index in memory.msgpack of a memfd that is open as a descriptor. */
  memfd(found: Found): number | undefined;
  /** Name and inode, checked: undefined if it has been refused. */
  identity(found: Found, options?: { followLinks?: boolean }): FileIdentity | undefined;
}

export interface DumpHalf {
  /** whether this kind takes care of it; the first that says so does */
  claims(found: Found, context: DumpContext): boolean;
  /** undefined: refused */
  dump(found: Found, context: DumpContext): OpenFile | undefined;
}

/** The fields of a problem that tell which descriptor it is about. */
export function descriptorOf(found: Found): Details {
  const [first] = found.holders;
  return { pid: first.pid, comm: first.comm, fd: first.fd, path: found.link };
}

/** The path that leads to it while its task is frozen. */
export function sourceOf(found: Found): string {
  const [first] = found.holders;
  return `/proc/${first.pid}/fd/${first.fd}`;
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

/** makedev(3) of glibc, undone */
export function splitDevice(rdev: bigint): { major: number; minor: number } {
  return {
    major: Number(((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xfffff000n)),
    minor: Number((rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n)),
  };
}
