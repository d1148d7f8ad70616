/** Mapped files, shared memory and memfds: which inode each mapping leads to, found through /proc/<pid>/mfd, and its contents. */

import { closeSync, constants, openSync } from "node:fs";

import type { ErrorCode } from "../errors.js";
import type { FileMapping } from "../image/elfcore.js";
import { FILE_FLAG } from "../image/layout.js";
import type { DataRef, FileIdentity, MappedFile, Range } from "../image/schema.js";
import { native, type StatRecord } from "../native.js";
import { viaOf } from "../proc/via.js";
import type { RestoreContext } from "../restore/context.js";
import { OP, type Subject } from "../restore/plan.js";
import { HUGE_OBJECT, fillOp, hugeMemfdFlags, hugeShift, pagesOf } from "./huge.js";
import { NAMING_PROBLEMS, makeIdentity, nameOf } from "./identity.js";
import { SEGMENT_OBJECT } from "./sysv/objects.js";
import { SegmentPlanner, Segments, checkAttached, mappedKey } from "./sysv/segments.js";
import { inodeKey, splitDevice } from "./types.js";
import { MappedNames, NEEDS_PRIVILEGE } from "./unprivileged.js";

const F_GET_SEALS = 1034;
const EPERM = -1;

/** A device number as vma records have it. */
export function kernelDevice(major: number, minor: number): bigint {
  return (BigInt(major) << 32n) | BigInt(minor);
}

// ---- dump ----

/** A mapping, or the exe link, of a frozen task. */
export interface Mapping {
  pid: number;
  /** the thread that /proc tells of it by: see viaOf() */
  via: number;
  comm: string;
  /** undefined: not mapped, the exe of the task */
  address?: bigint;
  kernelDev: bigint;
  kernelIno: bigint;
  fileFlags: number;
  name: string;
  /** leads to the file while the task is frozen */
  source: string;
}

type Named = Parameters<typeof viaOf>[0];

export function mappingOf(task: Named, comm: string, file: FileMapping): Mapping {
  const source = `/proc/${viaOf(task)}/mfd/${file.start.toString(16)}`;
  return { ...exeOf(task, comm, file), address: file.start, source };
}

export function exeOf(task: Named, comm: string, file: Omit<FileMapping, "start">): Mapping {
  const via = viaOf(task);
  return {
    pid: task.pid,
    via,
    comm,
    kernelDev: kernelDevice(file.devMajor, file.devMinor),
    kernelIno: file.ino,
    fileFlags: file.flags,
    name: file.name,
    source: `/proc/${via}/exe`,
  };
}

export interface MemoryContext {
  refuse(problem: {
    pid?: number;
    comm?: string;
    address?: bigint;
    fd?: number;
    object?: string;
    path?: string;
    why: string;
    hint?: string;
    code?: ErrorCode;
  }): void;
  contents: {
    of(stat: StatRecord, source: string): { data: DataRef; ghost: number };
    ofSegment(stat: StatRecord, source: string): DataRef;
  };
}

/** memory.msgpack in the making. */
export class MemoryTable {
  readonly files: MappedFile[] = [];
  /** by (kernelDev, kernelIno, name): one look at each file however many tasks map it */
  private readonly seen = new Map<string, string>();
  private readonly byKernelId = new Map<string, string>();
  private readonly byInode = new Map<string, MappedFile>();
  private readonly names = new MappedNames();
  private readonly segments = new Segments();

  constructor(private readonly context: MemoryContext) {}

  /** All mappings of the tree, with few system calls. */
  addMappings(mappings: readonly Mapping[]): void {
    const fresh = mappings.filter((mapping) => {
      const key = `${mapping.kernelDev}:${mapping.kernelIno}:${mapping.name}`;
      if (this.seen.has(key)) return false;
      this.seen.set(key, mapping.source);
      return true;
    });
    const stats = native().stats(
      fresh.map(({ source }) => source),
      true,
    );
    fresh.forEach((mapping, i) => {
      const stat = stats[i];
      if (typeof stat === "object") this.add(mapping, stat);
      else if (stat === EPERM) this.addByName(mapping);
      else this.refuse(mapping, `the file behind the mapping cannot be examined (error ${-(stat ?? 0)})`);
    });
  }

  /** Following links in mfd/ takes privilege. */
  private addByName(mapping: Mapping): void {
    const stat = this.names.examine(mapping);
    if (!("why" in stat)) this.add(mapping, stat);
    else this.refuse(mapping, stat.why, "mapped file", NEEDS_PRIVILEGE, "E_PERMISSION");
  }

  /** The entry of a memfd that is open as a descriptor. */
  memfd(stat: StatRecord, link: string, source: string): number {
    const known = this.byInode.get(inodeKey(stat));
    if (known !== undefined) return known.id;
    // the kernel's own mount: stat(2) tells what the kernel has
    const { major, minor } = splitDevice(stat.dev);
    const name = link.replace(/ \(deleted\)$/, "");
    return this.addMemfd({ kernelDev: kernelDevice(major, minor), kernelIno: stat.ino, name, source }, stat);
  }

  private add(mapping: Mapping, stat: StatRecord): void {
    const { fileFlags } = mapping;
    const sysv = (fileFlags & FILE_FLAG.SYSV) !== 0;
    const kernelId = mappedKey(mapping.kernelDev, mapping.kernelIno, sysv);
    const inode = inodeKey(stat);
    const other = this.byKernelId.get(kernelId);
    if (other !== undefined) {
      // the same number for two inodes: seen on stacked file systems
      if (other !== inode) this.refuse(mapping, "another mapped file has the same device and inode number in the kernel");
      return;
    }
    this.byKernelId.set(kernelId, inode);
    if (sysv) {
      this.addSegment(mapping, stat);
    } else if ((fileFlags & FILE_FLAG.MEMFD) !== 0) {
      if (!this.byInode.has(inode)) this.addMemfd(mapping, stat);
    } else if ((fileFlags & FILE_FLAG.SHMEM_ANON) !== 0) {
      const { data } = this.context.contents.of(stat, mapping.source);
      this.push(mapping, stat, { kind: "shmem", identity: makeIdentity(mapping.name, stat, true), data });
    } else {
      this.addFile(mapping, stat);
    }
  }

  /** Segments that somebody else has attached too; `inTree`: mappings of the tree, by id. */
  checkSegments(inTree: ReadonlyMap<bigint, number>, outsiders: { sharer(file: MappedFile): string | undefined }): void {
    checkAttached(
      this.files,
      this.segments,
      inTree,
      (file) => outsiders.sharer(file),
      (problem) => {
        this.context.refuse(problem);
      },
    );
  }

  private addSegment(mapping: Mapping, stat: StatRecord): void {
    const segment = this.segments.find(mapping.kernelIno, mapping.name);
    if (segment === undefined) {
      this.refuse(mapping, "it is of another IPC namespace than crctl's", SEGMENT_OBJECT);
      return;
    }
    const data = this.context.contents.ofSegment(stat, mapping.source);
    this.push(mapping, stat, { kind: "sysv", identity: makeIdentity(mapping.name, stat, true), segment, data });
  }

  private addFile(mapping: Mapping, stat: StatRecord): void {
    const deleted = (mapping.fileFlags & FILE_FLAG.DELETED) !== 0;
    const naming = nameOf(deleted ? `${mapping.name} (deleted)` : mapping.name, stat, true);
    switch (naming.state) {
      case "named":
        this.push(mapping, stat, { kind: "file", identity: makeIdentity(naming.path, stat, false) });
        return;
      case "deleted":
        this.push(mapping, stat, {
          kind: "ghost",
          identity: makeIdentity(naming.path, stat, true),
          ...this.context.contents.of(stat, mapping.source),
        });
        return;
      default: {
        const { why, hint } = NAMING_PROBLEMS[naming.state];
        this.refuse(mapping, why, "mapped file", hint);
      }
    }
  }

  private addMemfd(mapping: Pick<Mapping, "kernelDev" | "kernelIno" | "name" | "source">, stat: StatRecord): number {
    const { data } = this.context.contents.of(stat, mapping.source);
    return this.push(mapping, stat, {
      kind: "memfd",
      identity: makeIdentity(mapping.name, stat, true),
      name: mapping.name.replace(/^\/?memfd:/, ""),
      seals: sealsOf(mapping.source),
      data,
    });
  }

  private push(
    mapping: Pick<Mapping, "kernelDev" | "kernelIno">,
    stat: StatRecord,
    file: Omit<MappedFile, "id" | "kernelDev" | "kernelIno">,
  ): number {
    const entry = { ...file, id: this.files.length, kernelDev: mapping.kernelDev, kernelIno: mapping.kernelIno };
    this.files.push(entry);
    if (entry.kind !== "sysv") this.byInode.set(inodeKey(stat), entry);
    return entry.id;
  }

  private refuse(mapping: Mapping, why: string, object = "mapped file", hint?: string, code?: ErrorCode): void {
    const { pid, comm, address, name } = mapping;
    this.context.refuse({
      pid,
      comm,
      object,
      path: name,
      why,
      ...(address === undefined ? {} : { address }),
      ...(hint === undefined ? {} : { hint }),
      ...(code === undefined ? {} : { code }),
    });
  }
}

function sealsOf(source: string): number {
  const fd = openSync(source, constants.O_RDONLY);
  try {
    return native().fcntlNumber(fd, F_GET_SEALS, 0);
  } finally {
    closeSync(fd);
  }
}

// ---- restore ----

const O_RDONLY = 0;
const O_RDWR = 2;
const F_SEAL_SEAL = 0x01;
const F_SEAL_FUTURE_WRITE = 0x10;
const F_SEAL_EXEC = 0x20;
const MFD_ALLOW_SEALING = 0x02;
const MFD_NOEXEC_SEAL = 0x08;

/** How the mappings of a whole tree use one file. */
export interface MappedUse {
  /** somebody maps it shared, and may write: such a mapping needs a descriptor open for both */
  writable: boolean;
  /** somebody needs a descriptor that is only for reading, as private mappings and the exe link do */
  readable: boolean;
  /** pages that are not in the image come from the file */
  private: boolean;
  /** the largest end of a mapping within the file */
  end: bigint;
  /** what shared mappings reserve of a file of huge pages */
  reserved: Range[];
  mappings: number;
  subject: Subject;
}

/** Slots of mapped files. Each file is opened once for each way of use, whatever the number of tasks. */
export class MappedSlots {
  private readonly ghosts = new Map<number, number>();
  private readonly memfds = new Map<number, number>();
  private readonly readers = new Map<number, number>();
  private readonly writers = new Map<number, number>();
  private readonly segments: SegmentPlanner;

  constructor(
    private readonly files: readonly MappedFile[],
    private readonly context: RestoreContext,
  ) {
    this.segments = new SegmentPlanner(context);
  }

  /** Undefined: there is no such use, or a problem was told. */
  slot(memory: number, writable: boolean): number | undefined {
    return (writable ? this.writers : this.readers).get(memory);
  }

  add(file: MappedFile, use: MappedUse): void {
    switch (file.kind) {
      case "file":
        this.addNamed(file, use);
        return;
      case "shmem":
        this.addBase(file, use, this.shmem(file, use));
        return;
      case "memfd":
        this.addBase(file, use, this.memfd(file.id, use.reserved));
        return;
      case "ghost":
        if (file.ghost === undefined || file.data === undefined) throw new RangeError(`mapped file ${file.id} has no contents`);
        this.addBase(file, use, this.ghost(file.ghost, file.identity, file.data, use.subject, use.reserved));
        return;
      case "sysv":
        this.addSegment(file, use);
    }
  }

  /** Attached by its id: the descriptor only tells which one is meant. */
  private addSegment(file: MappedFile, use: MappedUse): void {
    const slot = this.segments.add(file, use.mappings, use.subject);
    if (slot === undefined) return;
    this.writers.set(file.id, slot);
    this.readers.set(file.id, slot);
  }

  /** A file without a name, with its contents; the same one for everybody. */
  ghost(number: number, identity: FileIdentity, data: DataRef, subject: Subject, reserved: readonly Range[] = []): number {
    let slot = this.ghosts.get(number);
    if (slot !== undefined) return slot;
    const { context } = this;
    this.ghosts.set(number, (slot = context.slot()));
    context.create({ type: OP.GHOST, slot, data: identity.path, subject });
    this.fill(slot, identity, data, { subject, reserved });
    context.create({ type: OP.TIMES, slot, a: BigInt.asUintN(64, identity.mtimeNs), subject });
    context.scratch(slot);
    return slot;
  }

  memfd(memory: number, reserved: readonly Range[] = []): number {
    let slot = this.memfds.get(memory);
    if (slot !== undefined) return slot;
    const { context } = this;
    const file = this.files[memory];
    if (file?.data === undefined) throw new RangeError(`memfd ${memory} has no contents`);
    const { identity, name = "", seals = 0, data } = file;
    const subject = { path: identity.path, object: "memfd" };
    this.memfds.set(memory, (slot = context.slot()));
    // F_SEAL_SEAL alone is what a memfd has that was made without either flag
    const flags = (seals & F_SEAL_EXEC) !== 0 ? MFD_NOEXEC_SEAL : seals === F_SEAL_SEAL ? 0 : MFD_ALLOW_SEALING;
    const pages = data.huge === undefined ? 0 : hugeMemfdFlags(data.huge);
    context.create({ type: OP.MEMFD, slot, flags: flags | pages, data: name, subject });
    this.fill(slot, identity, data, { subject, reserved });
    this.seal(slot, flags === 0 ? 0 : seals, subject);
    return slot;
  }

  /** Mappings that were writable before F_SEAL_FUTURE_WRITE stay so: it must come after them, and what forbids seals after it. */
  private seal(slot: number, seals: number, subject: Subject): void {
    const { context } = this;
    const late = (seals & F_SEAL_FUTURE_WRITE) === 0 ? 0 : seals & (F_SEAL_FUTURE_WRITE | F_SEAL_SEAL);
    const early = seals & ~late & ~F_SEAL_EXEC;
    if (early !== 0) context.create({ type: OP.SEAL, slot, flags: early, subject });
    if (late !== 0) context.finish({ type: OP.SEAL, slot, flags: late, subject });
    else context.scratch(slot);
  }

  private shmem(file: MappedFile, use: MappedUse): number {
    const { context } = this;
    const { identity, data } = file;
    if (data === undefined) throw new RangeError(`mapped file ${file.id} has no contents`);
    const slot = context.slot();
    const huge = data.huge === undefined ? {} : { arg: hugeShift(data.huge) };
    context.create({ type: OP.SHMEM, slot, a: data.size, ...huge, subject: use.subject });
    this.fill(slot, identity, data, use);
    context.scratch(slot);
    return slot;
  }

  /** The mode comes last: a write takes set-user-id bits away. */
  private fill(
    slot: number,
    { uid, gid, mode, size }: FileIdentity,
    data: DataRef,
    { subject, reserved }: Pick<MappedUse, "subject"> & { reserved: readonly Range[] },
  ): void {
    const { huge } = data;
    if (huge !== undefined) this.context.needHugePages(huge.pageBytes, pagesOf(huge, size, reserved));
    const about = huge === undefined ? subject : { ...subject, object: HUGE_OBJECT };
    this.context.create(fillOp(OP.FILL, slot, huge === undefined ? data.size : size, data, about));
    this.context.create({ type: OP.CHOWN, slot, a: BigInt(uid), b: BigInt(gid), flags: mode & 0o7777, subject });
  }

  private addBase(file: MappedFile, use: MappedUse, base: number): void {
    if (use.writable) this.writers.set(file.id, this.reopen(base, O_RDWR, use.subject));
    if (use.readable) this.readers.set(file.id, this.reopen(base, O_RDONLY, use.subject));
  }

  private reopen(base: number, flags: number, subject: Subject): number {
    const slot = this.context.slot();
    this.context.create({ type: OP.REOPEN, slot, arg: base, flags, subject });
    return slot;
  }

  private addNamed(file: MappedFile, use: MappedUse): void {
    const { context } = this;
    const { identity } = file;
    const stat = context.examine(identity, use.subject, { neededSize: use.end, unmodified: use.private });
    if (stat === undefined) return;
    const open = (flags: number): number => {
      const slot = context.slot();
      context.create({ type: OP.OPEN, slot, flags, a: stat.ino, b: stat.dev, data: identity.path, subject: use.subject });
      return slot;
    };
    if (use.writable) this.writers.set(file.id, open(O_RDWR));
    if (use.readable) this.readers.set(file.id, open(O_RDONLY));
  }
}
