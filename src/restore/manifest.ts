/**
 * Exec manifests: what a task executes to become what its core file says. A manifest is the core's notes, with the
 * descriptors filled in that back its mappings, and notes that say where page contents come from and how the restore is
 * steered. It holds no pages. See kmod/crctl_image.h.
 */

import { CrctlError } from "../errors.js";
import type { CoreHead, Note } from "../image/elfcore.js";
import {
  Control,
  Extent,
  FILE_FLAG,
  IMAGE_KIND,
  ImageInfo,
  Lock,
  Mm,
  NOTE_NAME,
  NT,
  NoteHead,
  Notify,
  PeerCred,
  Seccomp,
  VMA_KIND,
  VMF,
  Vma,
} from "../image/layout.js";
import type { MappedFile, Task } from "../image/schema.js";
import { FORMAT_VERSION } from "../image/layout.js";
import type { Fields, Struct } from "../image/struct.js";

const EHDR_SIZE = 64;
const SHDR_SIZE = 64;
const PHDR_SIZE = 56;
const ET_CORE = 4;
const EM_X86_64 = 62;
const PT_NOTE = 4;

/** A mapping of a file: where in the notes its descriptor goes. */
export interface FileUse {
  /** index in memory.msgpack */
  memory: number;
  /** needs a descriptor open for reading and writing */
  writable: boolean;
  private: boolean;
  /** the mapping in the file */
  start: bigint;
  end: bigint;
  /** it reserves huge pages of the file */
  reserves: boolean;
}

interface Patch extends FileUse {
  at: number;
}

/** What the task that executes the manifest has: descriptors, by number. */
export interface ManifestDescriptors {
  mapped(use: FileUse): number;
  core: number;
  gate: number;
  report: number;
  /** of sockets that this task is to say it of */
  peers?: readonly PeerCredentials[];
  /** message queues that are to notify this task */
  notifications?: readonly Notification[];
  /** what tasks of this restore know each other by, from 1: its own, if others take pages from it, and where it takes some from */
  id?: number;
  source?: number;
}

/** Of a message queue, mq_notify(3). */
export interface Notification {
  fd: number;
  notify: number;
  signal: number;
  value: bigint;
}

export interface PeerCredentials {
  fd: number;
  pid: number;
  uid: number;
  gid: number;
  groups: readonly number[];
}

/** Finds mapped files by the numbers that vma records have. */
export class MappedFileIndex {
  private readonly byKernelId = new Map<string, number>();

  constructor(files: readonly MappedFile[]) {
    for (const { id, kind, kernelDev, kernelIno } of files) {
      const dev = Number(kernelDev >> 32n);
      const inode = key(dev, Number(kernelDev & 0xffffffffn), Number(kernelIno & 0xffffffffn), Number(kernelIno >> 32n));
      this.byKernelId.set(kind === "sysv" ? segmentKey(inode) : inode, id);
    }
  }

  /** `view` at a device's two numbers, and at an inode number, or the id of System V shared memory. */
  find(view: DataView, devAt: number, inoAt: number, sysv: boolean): number | undefined {
    const inode = key(
      view.getUint32(devAt, true),
      view.getUint32(devAt + 4, true),
      view.getUint32(inoAt, true),
      view.getUint32(inoAt + 4, true),
    );
    return this.byKernelId.get(sysv ? segmentKey(inode) : inode);
  }
}

function key(major: number, minor: number, inoLow: number, inoHigh: number): string {
  return `${major}:${minor}:${inoHigh}:${inoLow}`;
}

/** An id may be the inode number of other memory. */
function segmentKey(inode: string): string {
  return `sysv ${inode}`;
}

/** Makes the manifest of one task, in two steps: what it needs, and, once that has descriptors, the bytes. */
export class ManifestDraft {
  readonly uses: readonly FileUse[];
  readonly pageBytes: bigint;
  private readonly patches: Patch[];
  private readonly exe: { at: number; memory: number } | undefined;

  /** The bytes of `head` become the manifest's: they are changed. */
  constructor(
    private readonly head: CoreHead,
    private readonly task: Task,
    files: MappedFileIndex,
    /** whether the caller may set the link to the executable */
    setExe: boolean,
  ) {
    this.patches = this.findMappings(files);
    this.exe = setExe ? this.findExe(files) : undefined;
    this.pageBytes = head.pageBytes;
    this.uses = this.exe === undefined ? this.patches : [...this.patches, exeUse(this.exe.memory)];
  }

  /** The parts of the manifest, one after the other. */
  build(descriptors: ManifestDescriptors): Uint8Array[] {
    this.patchNotes(descriptors);
    const extents = this.extentNote(descriptors.core);
    const rest = [
      this.controlNote(descriptors),
      this.cloexecNote(),
      this.seccompNote(),
      this.lockNote(),
      peerNote(descriptors.peers ?? []),
      notifyNote(descriptors.notifications ?? []),
    ].flat();
    const notes = [this.head.noteBytes, ...extents, ...rest];
    return [elfHead(notes.reduce((size, part) => size + part.length, 0)), ...notes];
  }

  private findMappings(files: MappedFileIndex): Patch[] {
    const patches: Patch[] = [];
    const { view, at, count, size } = this.records(NT.VMA, Vma);
    for (let i = 0, record = at; i < count; i++, record += size) {
      const kind = view.getUint32(record + VMA.kind, true);
      if (kind !== VMA_KIND.FILE_PRIVATE && kind !== VMA_KIND.FILE_SHARED) continue;
      const sysv = (view.getUint32(record + VMA.fileFlags, true) & FILE_FLAG.SYSV) !== 0;
      const memory = files.find(view, record + VMA.dev, record + VMA.ino, sysv);
      if (memory === undefined) {
        const address = view.getBigUint64(record, true).toString(16);
        throw new CrctlError("E_IMAGE_DAMAGED", `${this.head.where}: the image does not know the file mapped at 0x${address}`);
      }
      // these are in the low half of the flags
      const flags = view.getUint32(record + VMA.flags, true);
      const shared = kind === VMA_KIND.FILE_SHARED;
      const start = view.getBigUint64(record + VMA.offset, true);
      const huge = view.getUint32(record + VMA.hugeShift, true) !== 0;
      patches.push({
        at: record + VMA.fd,
        memory,
        writable: shared && (flags & Number(VMF.MAYWRITE)) !== 0,
        private: !shared,
        start,
        end: start + view.getBigUint64(record + 8, true) - view.getBigUint64(record, true),
        // System V shared memory reserves when it is made, or not at all
        reserves: shared && huge && !sysv && (flags & Number(VMF.NORESERVE)) === 0,
      });
    }
    return patches;
  }

  private findExe(files: MappedFileIndex): { at: number; memory: number } | undefined {
    const { view, at, count } = this.records(NT.MM, Mm);
    if (count !== 1) throw new CrctlError("E_IMAGE_DAMAGED", `${this.head.where}: it has ${count} memory layouts`);
    if (view.getBigUint64(at + MM.ino, true) === 0n) return undefined;
    const memory = files.find(view, at + MM.dev, at + MM.ino, false);
    if (memory === undefined) throw new CrctlError("E_IMAGE_DAMAGED", `${this.head.where}: the image does not know its executable`);
    return { at: at + MM.fd, memory };
  }

  private patchNotes(descriptors: ManifestDescriptors): void {
    const { view } = this.records(NT.VMA, Vma);
    for (const patch of this.patches) view.setInt32(patch.at, descriptors.mapped(patch), true);
    if (this.exe !== undefined) {
      this.records(NT.MM, Mm).view.setInt32(this.exe.at, descriptors.mapped(exeUse(this.exe.memory)), true);
    }
    const info = this.records(NT.IMAGE, ImageInfo);
    info.view.setUint32(info.at, IMAGE_KIND.MANIFEST, true);
  }

  /** Where the records of a note of the core lie. */
  private records<F extends Fields>(type: number, struct: Struct<F>): { view: DataView; at: number; count: number; size: number } {
    const note: Note | undefined = this.head.find(type);
    if (note === undefined) throw new CrctlError("E_IMAGE_DAMAGED", `${this.head.where}: a note is missing`);
    const view = new DataView(note.desc.buffer, note.desc.byteOffset, note.desc.byteLength);
    const { rec_size: size, count } = NoteHead.read(view, 0);
    if (size < struct.size || NoteHead.size + size * count > note.desc.length) {
      throw new CrctlError("E_IMAGE_DAMAGED", `${this.head.where}: a note's records are too short`);
    }
    return { view, at: NoteHead.size, count, size };
  }

  /** From the page segments; there may be a hundred thousand: halves of numbers are copied, no bigint is made. */
  private extentNote(coreFd: number): Uint8Array[] {
    const count = this.head.loadCount;
    if (count === 0) return note(NT.EXTENT, Extent.size, 0, []);
    const bytes = new Uint8Array(count * Extent.size);
    const to = new DataView(bytes.buffer);
    const from = this.head.loadHeaders();
    for (let i = 0, src = 0, dst = 0; i < count; i++, src += PHDR_SIZE, dst += Extent.size) {
      copy64(from, src + 16, to, dst); // p_vaddr
      copy64(from, src + 32, to, dst + 8); // p_filesz
      copy64(from, src + 8, to, dst + 16); // p_offset
      to.setInt32(dst + 24, coreFd, true);
    }
    return note(NT.EXTENT, Extent.size, count, [bytes]);
  }

  private controlNote({ gate, report, id = 0, source = 0 }: ManifestDescriptors): Uint8Array[] {
    const bytes = new Uint8Array(Control.size);
    Control.write(new DataView(bytes.buffer), 0, { gate_fd: gate, report_fd: report, flags: 0, id, source, pad: 0 });
    return note(NT.CONTROL, Control.size, 1, [bytes]);
  }

  private cloexecNote(): Uint8Array[] {
    const fds = this.task.descriptors.filter(({ cloexec }) => cloexec).map(({ fd }) => fd);
    const bytes = new Uint8Array(Uint32Array.from(fds).buffer);
    return note(NT.CLOEXEC, 0, 0, [bytes]);
  }

  private seccompNote(): Uint8Array[] {
    const filters = (this.task.seccomp ?? []).flatMap(({ thread, filters: own }) =>
      own.map((filter) => ({ thread: thread + 1, ...filter })),
    );
    if (filters.length === 0 || this.head.find(NT.SECCOMP) !== undefined) return [];
    const records = new Uint8Array(filters.length * Seccomp.size);
    const view = new DataView(records.buffer);
    let offset = 0;
    filters.forEach(({ thread, flags, insns }, i) => {
      Seccomp.write(view, i * Seccomp.size, { thread, flags, nr_insns: insns.length / 8, insns_off: offset });
      offset += insns.length;
    });
    return note(NT.SECCOMP, Seccomp.size, filters.length, [records, ...filters.map(({ insns }) => insns)]);
  }

  /** Those that belong to the process: execve(2) closes descriptors, and with them would go what the process had locked before. */
  private lockNote(): Uint8Array[] {
    const locks = this.task.locks ?? [];
    if (locks.length === 0) return [];
    const records = new Uint8Array(locks.length * Lock.size);
    const view = new DataView(records.buffer);
    locks.forEach(({ fd, write, start, length }, i) => {
      Lock.write(view, i * Lock.size, { fd, write: write ? 1 : 0, start, len: length });
    });
    return note(NT.LOCK, Lock.size, locks.length, [records]);
  }
}

/** Who was at the other end of sockets. */
function peerNote(peers: readonly PeerCredentials[]): Uint8Array[] {
  if (peers.length === 0) return [];
  const records = new Uint8Array(peers.length * PeerCred.size);
  const view = new DataView(records.buffer);
  let offset = 0;
  peers.forEach(({ fd, pid, uid, gid, groups }, i) => {
    PeerCred.write(view, i * PeerCred.size, { fd, pid, uid, gid, nr_groups: groups.length, groups_off: offset });
    offset += groups.length * 4;
  });
  const groups = Uint32Array.from(peers.flatMap((peer) => peer.groups));
  return note(NT.PEERCRED, PeerCred.size, peers.length, [records, new Uint8Array(groups.buffer)]);
}

function notifyNote(notifications: readonly Notification[]): Uint8Array[] {
  if (notifications.length === 0) return [];
  const records = new Uint8Array(notifications.length * Notify.size);
  const view = new DataView(records.buffer);
  notifications.forEach((notification, i) => {
    Notify.write(view, i * Notify.size, { ...notification, pad: 0 });
  });
  return note(NT.NOTIFY, Notify.size, notifications.length, [records]);
}

/** Offsets within records, looked up once: reading whole records of every mapping of a large tree takes long. */
const VMA = {
  flags: offsetOf(Vma, "flags"),
  kind: offsetOf(Vma, "kind"),
  dev: offsetOf(Vma, "dev_major"),
  ino: offsetOf(Vma, "ino"),
  fd: offsetOf(Vma, "fd"),
  fileFlags: offsetOf(Vma, "file_flags"),
  offset: offsetOf(Vma, "offset"),
  hugeShift: offsetOf(Vma, "huge_shift"),
} as const;

const MM = { dev: offsetOf(Mm, "exe_dev_major"), ino: offsetOf(Mm, "exe_ino"), fd: offsetOf(Mm, "exe_fd") } as const;

function offsetOf<F extends Fields>(struct: Struct<F>, name: keyof F & string): number {
  const field = struct.layout.find((candidate) => candidate.name === name);
  if (field === undefined) throw new RangeError(name);
  return field.offset;
}

/** The exe link is never written through. */
function exeUse(memory: number): FileUse {
  return { memory, writable: false, private: false, start: 0n, end: 0n, reserves: false };
}

function copy64(from: DataView, src: number, to: DataView, dst: number): void {
  to.setUint32(dst, from.getUint32(src, true), true);
  to.setUint32(dst + 4, from.getUint32(src + 4, true), true);
}

/** A "CRCTL" note: its head, and the records and extra bytes, which are not copied. */
function note(type: number, recordSize: number, count: number, body: readonly Uint8Array[]): Uint8Array[] {
  const bodySize = body.reduce((size, part) => size + part.length, 0);
  const nameSize = NOTE_NAME.length + 1;
  const descAt = 12 + Math.ceil(nameSize / 4) * 4;
  const head = Buffer.alloc(descAt + NoteHead.size);
  head.writeUInt32LE(nameSize, 0);
  head.writeUInt32LE(NoteHead.size + bodySize, 4);
  head.writeUInt32LE(type, 8);
  head.write(NOTE_NAME, 12, "latin1");
  NoteHead.write(new DataView(head.buffer, head.byteOffset), descAt, {
    version: FORMAT_VERSION,
    rec_size: recordSize,
    count,
    extra_size: bodySize - recordSize * count,
  });
  const padding = -bodySize & 3;
  return [head, ...body, ...(padding === 0 ? [] : [new Uint8Array(padding)])];
}

/** ELF header, the one section header that images have for the number of segments, and the segment of the notes. */
function elfHead(notesSize: number): Uint8Array {
  const head = Buffer.alloc(EHDR_SIZE + SHDR_SIZE + PHDR_SIZE);
  head.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]); // 64 bits, little endian, version 1
  head.writeUInt16LE(ET_CORE, 16);
  head.writeUInt16LE(EM_X86_64, 18);
  head.writeUInt32LE(1, 20); // e_version
  head.writeBigUInt64LE(BigInt(EHDR_SIZE + SHDR_SIZE), 32); // e_phoff
  head.writeBigUInt64LE(BigInt(EHDR_SIZE), 40); // e_shoff
  head.writeUInt16LE(EHDR_SIZE, 52);
  head.writeUInt16LE(PHDR_SIZE, 54);
  head.writeUInt16LE(1, 56); // e_phnum
  head.writeUInt16LE(SHDR_SIZE, 58);
  head.writeUInt16LE(1, 60); // e_shnum
  head.writeUInt32LE(1, EHDR_SIZE + 44); // sh_info: segments
  const phdr = EHDR_SIZE + SHDR_SIZE;
  head.writeUInt32LE(PT_NOTE, phdr);
  head.writeBigUInt64LE(BigInt(head.length), phdr + 8); // p_offset
  head.writeBigUInt64LE(BigInt(notesSize), phdr + 32); // p_filesz
  head.writeBigUInt64LE(4n, phdr + 48); // p_align
  return head;
}
