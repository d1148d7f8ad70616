/**
 * The head of an image as kmod/crctl_image.h describes it: everything before the page data. Every offset, length and
 * count is checked against the bytes at hand, for an image may come from anywhere.
 */

import { CrctlError } from "../errors.js";
import * as layout from "./layout.js";
import type { Fields, Struct, StructValue } from "./struct.js";

const EHDR_SIZE = 64;
const SHDR_SIZE = 64;
const PHDR_SIZE = 56;
const ET_CORE = 4;
const EM_X86_64 = 62;
const PT_LOAD = 1;
const PT_NOTE = 4;
const PN_XNUM = 0xffff;
const PAGE_SIZE = 4096;

/** Enough bytes to call {@link headSize} with. */
export const PREFIX_SIZE = EHDR_SIZE + SHDR_SIZE + PHDR_SIZE;

/** struct elf_prstatus */
const NT_PRSTATUS = 1;
const PRSTATUS_SIZE = 336;
const PRSTATUS_AT = { rdi: 224, orig_rax: 232 } as const;

/** Sizes of huge pages on x86_64: 2 MiB and 1 GiB. */
const HUGE_SHIFTS: readonly number[] = [21, 30];

const VMA_AT = layout.Vma.offsets;
const MM_AT = layout.Mm.offsets;

export interface Note {
  name: string;
  type: number;
  desc: Uint8Array;
}

/** A run of pages. */
export interface Load {
  vaddr: bigint;
  offset: bigint;
  size: bigint;
}

export interface VmaEntry extends layout.VmaRecord {
  /** path of the mapped file, "" if none */
  name: string;
}

/** Private memory of huge pages. */
export interface HugeArea {
  pageBytes: bigint;
  /** how many pages it has reserved, or, without a reservation, has in the image */
  pages: bigint;
}

/** A file that is mapped; device and inode number as the kernel has them. */
export interface FileMapping {
  /** of a mapping of it */
  start: bigint;
  devMajor: number;
  devMinor: number;
  ino: bigint;
  /** CRCTL_FILE_* */
  flags: number;
  name: string;
}

export interface ThreadEntry extends layout.ThreadRecord {
  pids: number[];
}

export interface CredsEntry extends layout.CredsRecord {
  groups: number[];
}

/** `data` of those kinds that have some. */
export type DescriptorFact = layout.DescriptorNoteRecord & { data?: Uint8Array };

const { INPUT, ENDS, OUTPUT, TCP, UNSENT, MQUEUE } = layout.DESCRIPTOR_WHAT;
const WITH_DATA: ReadonlySet<number> = new Set([INPUT, ENDS, OUTPUT, TCP, UNSENT, MQUEUE]);

export interface RefusalEntry extends layout.RefusalRecord {
  text: string;
}

/** A set of System V semaphores that processes have something to undo of. */
export interface UndoEntry {
  id: number;
  /** how many have, this one included */
  lists: number;
  /** what the end of this process adds to each semaphore; empty: it has nothing to undo */
  adjustments: number[];
}

interface Headers {
  phdrCount: number;
  notesOffset: number;
  notesSize: number;
}

function damaged(where: string, what: string): CrctlError {
  return new CrctlError("E_IMAGE_DAMAGED", `${where}: ${what}`, { path: where });
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The ELF header and the note segment's, from the first {@link PREFIX_SIZE} bytes. */
function readHeaders(bytes: Uint8Array, where: string): Headers {
  if (bytes.length < PREFIX_SIZE) throw damaged(where, "too short for an image");
  const view = viewOf(bytes);
  const isCore =
    view.getUint32(0) === 0x7f454c46 && // \x7fELF
    view.getUint8(4) === 2 && // 64 bits
    view.getUint8(5) === 1 && // little endian
    view.getUint16(16, true) === ET_CORE &&
    view.getUint16(18, true) === EM_X86_64;
  if (!isCore) throw damaged(where, "not an x86_64 ELF core file");
  const phoff = view.getBigUint64(32, true);
  const shoff = view.getBigUint64(40, true);
  if (phoff !== BigInt(EHDR_SIZE + SHDR_SIZE) || shoff !== BigInt(EHDR_SIZE) || view.getUint16(54, true) !== PHDR_SIZE) {
    throw damaged(where, "its headers are not laid out as in an image");
  }
  const short = view.getUint16(56, true);
  const phdrCount = view.getUint32(EHDR_SIZE + 44, true); // sh_info
  if (short !== (phdrCount >= PN_XNUM ? PN_XNUM : phdrCount)) throw damaged(where, "its two counts of headers differ");
  if (phdrCount < 1 || phdrCount > layout.MAX_PHDRS) throw damaged(where, `it claims ${phdrCount} headers`);
  const note = EHDR_SIZE + SHDR_SIZE;
  if (view.getUint32(note, true) !== PT_NOTE) throw damaged(where, "its first segment holds no notes");
  const notesOffset = view.getBigUint64(note + 8, true);
  const notesSize = view.getBigUint64(note + 32, true);
  if (notesOffset !== BigInt(EHDR_SIZE + SHDR_SIZE + phdrCount * PHDR_SIZE)) {
    throw damaged(where, "its notes do not follow its headers");
  }
  if (notesSize > BigInt(layout.MAX_NOTES_SIZE)) throw damaged(where, `it claims ${notesSize} bytes of notes`);
  return { phdrCount, notesOffset: Number(notesOffset), notesSize: Number(notesSize) };
}

/** How many bytes of the file the head takes: what {@link CoreHead} needs. */
export function headSize(prefix: Uint8Array, where: string): number {
  const { notesOffset, notesSize } = readHeaders(prefix, where);
  return notesOffset + notesSize;
}

/** Records of one "CRCTL" note. */
interface Records {
  count: number;
  size: number;
  records: Uint8Array;
  extra: Uint8Array;
}

export class CoreHead {
  readonly where: string;
  readonly notes: readonly Note[];
  /** all notes as they are in the file */
  readonly noteBytes: Uint8Array;
  /** bytes before the page data */
  readonly headBytes: number;
  readonly loadCount: number;
  /** what the whole file must have */
  readonly fileBytes: bigint;
  readonly pageBytes: bigint;
  private readonly view: DataView;

  /** `bytes` holds at least {@link headSize} bytes of the file. */
  constructor(bytes: Uint8Array, where: string) {
    this.where = where;
    const headers = readHeaders(bytes, where);
    this.headBytes = headers.notesOffset + headers.notesSize;
    if (bytes.length < this.headBytes) throw damaged(where, "it ends within its headers");
    this.view = viewOf(bytes);
    this.loadCount = headers.phdrCount - 1;
    this.noteBytes = bytes.subarray(headers.notesOffset, this.headBytes);
    this.notes = this.readNotes(this.noteBytes);
    ({ fileBytes: this.fileBytes, pageBytes: this.pageBytes } = this.checkLoads());
  }

  load(index: number): Load {
    const at = EHDR_SIZE + SHDR_SIZE + PHDR_SIZE * (index + 1);
    return {
      offset: this.view.getBigUint64(at + 8, true),
      vaddr: this.view.getBigUint64(at + 16, true),
      size: this.view.getBigUint64(at + 32, true),
    };
  }

  /** The program headers (Elf64_Phdr) of all page segments as they are in the file. */
  loadHeaders(): DataView {
    const at = EHDR_SIZE + SHDR_SIZE + PHDR_SIZE;
    return new DataView(this.view.buffer, this.view.byteOffset + at, this.loadCount * PHDR_SIZE);
  }

  get info(): layout.ImageInfoRecord {
    return this.one(layout.NT.IMAGE, layout.ImageInfo);
  }

  get mm(): layout.MmRecord & { exe: string } {
    const records = this.records(layout.NT.MM, layout.Mm);
    const mm = this.record(records, layout.Mm, 0);
    return { ...mm, exe: this.text(records.extra, mm.exe_off, mm.exe_len) };
  }

  get process(): layout.ProcessRecord {
    return this.one(layout.NT.PROCESS, layout.Process);
  }

  vmas(): VmaEntry[] {
    const records = this.vmaRecords();
    return this.all(records, layout.Vma).map((vma) => ({ ...vma, name: this.text(records.extra, vma.name_off, vma.name_len) }));
  }

  /**
   * One record for each file that is mapped, of a mapping of it: this runs while the tree is frozen, and wants nothing of
   * the other areas. Neighbours that map the same file share their name in the table.
   */
  fileMappings(): FileMapping[] {
    const records = this.vmaRecords();
    const view = viewOf(records.records);
    const seen = new Set<string>();
    const found: FileMapping[] = [];
    for (let at = 0; at < records.records.length; at += layout.Vma.size) {
      const kind = view.getUint32(at + VMA_AT.kind, true);
      if (kind !== layout.VMA_KIND.FILE_PRIVATE && kind !== layout.VMA_KIND.FILE_SHARED) continue;
      const devMajor = view.getUint32(at + VMA_AT.dev_major, true);
      const devMinor = view.getUint32(at + VMA_AT.dev_minor, true);
      const ino = view.getBigUint64(at + VMA_AT.ino, true);
      const nameOffset = view.getUint32(at + VMA_AT.name_off, true);
      const key = `${devMajor}:${devMinor}:${ino}:${nameOffset}`;
      if (seen.has(key)) continue;
      seen.add(key);
      found.push({
        start: view.getBigUint64(at + VMA_AT.start, true),
        devMajor,
        devMinor,
        ino,
        flags: view.getUint32(at + VMA_AT.file_flags, true),
        name: this.text(records.extra, nameOffset, view.getUint32(at + VMA_AT.name_len, true)),
      });
    }
    return found;
  }

  /** What it has for itself of huge pages; there may be very many areas, of which hardly any has some. */
  hugeAreas(): HugeArea[] {
    const { records } = this.vmaRecords();
    const view = viewOf(records);
    const found: HugeArea[] = [];
    for (let at = 0; at < records.length; at += layout.Vma.size) {
      const kind = view.getUint32(at + VMA_AT.kind, true);
      const shift = view.getUint32(at + VMA_AT.huge_shift, true);
      if (kind !== layout.VMA_KIND.HUGE && !(shift !== 0 && kind === layout.VMA_KIND.FILE_PRIVATE)) continue;
      if (!HUGE_SHIFTS.includes(shift)) throw damaged(this.where, `it has pages of 2^${shift} bytes`);
      const start = view.getBigUint64(at + VMA_AT.start, true);
      const end = view.getBigUint64(at + VMA_AT.end, true);
      const reserved = (view.getBigUint64(at + VMA_AT.flags, true) & layout.VMF.NORESERVE) === 0n;
      const bytes = reserved ? end - start : this.bytesWithin(start, end);
      found.push({ pageBytes: 1n << BigInt(shift), pages: bytes >> BigInt(shift) });
    }
    return found;
  }

  private bytesWithin(start: bigint, end: bigint): bigint {
    let sum = 0n;
    for (let i = 0; i < this.loadCount; i++) {
      const { vaddr, size } = this.load(i);
      if (vaddr >= start && vaddr < end) sum += size;
    }
    return sum;
  }

  /** How many mappings it has of each segment of System V shared memory, by id. */
  attachments(): Map<bigint, number> {
    const { records } = this.vmaRecords();
    const view = viewOf(records);
    const found = new Map<bigint, number>();
    for (let at = 0; at < records.length; at += layout.Vma.size) {
      if ((view.getUint32(at + VMA_AT.file_flags, true) & layout.FILE_FLAG.SYSV) === 0) continue;
      const id = view.getBigUint64(at + VMA_AT.ino, true);
      found.set(id, (found.get(id) ?? 0) + 1);
    }
    return found;
  }

  /** The program itself. */
  exe(): Omit<FileMapping, "start"> {
    const records = this.records(layout.NT.MM, layout.Mm);
    if (records.count < 1) throw damaged(this.where, "a note has no record");
    const view = viewOf(records.records);
    return {
      devMajor: view.getUint32(MM_AT.exe_dev_major, true),
      devMinor: view.getUint32(MM_AT.exe_dev_minor, true),
      ino: view.getBigUint64(MM_AT.exe_ino, true),
      flags: view.getUint32(MM_AT.exe_flags, true),
      name: this.text(records.extra, view.getUint32(MM_AT.exe_off, true), view.getUint32(MM_AT.exe_len, true)),
    };
  }

  threads(): ThreadEntry[] {
    return this.notes
      .filter((note) => note.name === layout.NOTE_NAME && note.type === layout.NT.THREAD)
      .map((note) => {
        const records = this.parse(note.desc, layout.Thread);
        const thread = this.record(records, layout.Thread, 0);
        if (thread.nr_pids < 1 || thread.nr_pids > layout.MAX_PID_LEVELS) {
          throw damaged(this.where, `a thread has ${thread.nr_pids} ids`);
        }
        return { ...thread, pids: this.u32s(records.extra, thread.pids_off, thread.nr_pids) };
      });
  }

  creds(): CredsEntry[] {
    const records = this.records(layout.NT.CREDS, layout.Creds);
    return this.all(records, layout.Creds).map((creds) => ({
      ...creds,
      groups: this.u32s(records.extra, creds.groups_off, creds.nr_groups),
    }));
  }

  sigactions(): layout.SigActionRecord[] {
    return this.all(this.records(layout.NT.SIGACTION, layout.SigAction), layout.SigAction);
  }

  pending(): layout.SigPendingRecord[] {
    return this.optional(layout.NT.SIGPENDING, layout.SigPending);
  }

  timers(): layout.TimerRecord[] {
    return this.optional(layout.NT.TIMER, layout.Timer);
  }

  /** What fdinfo of the dumping kernel did not tell. */
  descriptors(): DescriptorFact[] {
    const note = this.find(layout.NT.DESCRIPTOR);
    if (note === undefined) return [];
    const records = this.parse(note.desc, layout.DescriptorNote);
    return this.all(records, layout.DescriptorNote).map((record) => {
      const { value } = record;
      if (!WITH_DATA.has(record.what)) return record;
      return { ...record, data: this.slice(records.extra, Number(value & 0xffffffffn), Number(value >> 32n)) };
    });
  }

  semUndo(): UndoEntry[] {
    const note = this.find(layout.NT.SEM_UNDO);
    if (note === undefined) return [];
    const records = this.parse(note.desc, layout.SemUndo);
    return this.all(records, layout.SemUndo).map(({ id, lists, nr_adjustments: count, adjustments_off: offset }) => {
      const view = viewOf(this.slice(records.extra, offset, count * 2));
      return { id, lists, adjustments: Array.from({ length: count }, (_, i) => view.getInt16(i * 2, true)) };
    });
  }

  /** The system calls that threads were in, and the first argument of each. */
  calls(): { number: bigint; argument: bigint }[] {
    return this.notes
      .filter(({ name, type, desc }) => name === "CORE" && type === NT_PRSTATUS && desc.length === PRSTATUS_SIZE)
      .map(({ desc }) => {
        const view = viewOf(desc);
        return { number: view.getBigInt64(PRSTATUS_AT.orig_rax, true), argument: view.getBigUint64(PRSTATUS_AT.rdi, true) };
      });
  }

  refusals(): RefusalEntry[] {
    const note = this.find(layout.NT.REFUSAL);
    if (note === undefined) return [];
    const records = this.parse(note.desc, layout.Refusal);
    return this.all(records, layout.Refusal).map((refusal) => ({
      ...refusal,
      text: this.text(records.extra, refusal.text_off, refusal.text_len),
    }));
  }

  seccomp(): (layout.SeccompRecord & { insns: Uint8Array })[] {
    const note = this.find(layout.NT.SECCOMP);
    if (note === undefined) return [];
    const records = this.parse(note.desc, layout.Seccomp);
    return this.all(records, layout.Seccomp).map((filter) => ({
      ...filter,
      insns: this.slice(records.extra, filter.insns_off, filter.nr_insns * 8),
    }));
  }

  /** What is in the core of another task, which has the same pages: bytes; undefined if that is never so. */
  sharedBytes(): bigint | undefined {
    if (this.find(layout.NT.COW) === undefined) return undefined;
    return this.optional(layout.NT.COW, layout.Cow).reduce((sum, { len }) => sum + len, 0n);
  }

  /** Where memory is to lie: policies of areas, then of threads. */
  policies(): layout.MemPolicyRecord[] {
    return this.optional(layout.NT.MEMPOLICY, layout.MemPolicy);
  }

  /** The bytes of [vdso]. */
  vdso(): Uint8Array {
    const note = this.find(layout.NT.VDSO);
    return note === undefined ? new Uint8Array() : this.head(note.desc).extra;
  }

  /** The first note of that kind. */
  find(type: number, name: string = layout.NOTE_NAME): Note | undefined {
    return this.notes.find((note) => note.type === type && note.name === name);
  }

  private readNotes(bytes: Uint8Array): Note[] {
    const view = viewOf(bytes);
    const notes: Note[] = [];
    for (let at = 0; at < bytes.length;) {
      if (bytes.length - at < 12) throw damaged(this.where, "it ends within a note");
      const nameSize = view.getUint32(at, true);
      const descSize = view.getUint32(at + 4, true);
      const type = view.getUint32(at + 8, true);
      const nameAt = at + 12;
      const descAt = nameAt + align4(nameSize);
      const end = descAt + align4(descSize);
      if (nameSize < 1 || nameSize > 64 || end > bytes.length) throw damaged(this.where, "a note does not fit in its segment");
      const name = Buffer.from(bytes.buffer, bytes.byteOffset + nameAt, nameSize - 1).toString("latin1");
      notes.push({ name, type, desc: bytes.subarray(descAt, descAt + descSize) });
      at = end;
    }
    return notes;
  }

  /** The runs must be dense in the file and ascending in memory. There may be a hundred thousand: no bigint in this loop. */
  private checkLoads(): { fileBytes: bigint; pageBytes: bigint } {
    const { view } = this;
    let offset = -1;
    let vaddr = 0;
    let pageBytes = 0;
    for (let i = 0, at = EHDR_SIZE + SHDR_SIZE + PHDR_SIZE; i < this.loadCount; i++, at += PHDR_SIZE) {
      const start = u53(view, at + 8);
      const address = u53(view, at + 16);
      const size = u53(view, at + 32);
      const sane =
        view.getUint32(at, true) === PT_LOAD &&
        u53(view, at + 40) === size &&
        size > 0 &&
        start % PAGE_SIZE === 0 &&
        address % PAGE_SIZE === 0 &&
        size % PAGE_SIZE === 0 &&
        (offset < 0 ? start >= this.headBytes : start === offset) &&
        address >= vaddr;
      if (!sane) throw damaged(this.where, `its page segment ${i + 1} is wrong`);
      offset = start + size;
      vaddr = address + size;
      pageBytes += size;
    }
    if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(vaddr)) throw damaged(this.where, "a page segment is too large");
    // where pages would start
    if (offset < 0) offset = Math.ceil(this.headBytes / PAGE_SIZE) * PAGE_SIZE;
    return { fileBytes: BigInt(offset), pageBytes: BigInt(pageBytes) };
  }

  private vmaRecords(): Records {
    const records = this.records(layout.NT.VMA, layout.Vma);
    if (records.count > layout.MAX_VMAS) throw damaged(this.where, `it claims ${records.count} memory areas`);
    return records;
  }

  private head(desc: Uint8Array): Records {
    const { size } = layout.NoteHead;
    if (desc.length < size) throw damaged(this.where, "a note is too short");
    const head = layout.NoteHead.read(viewOf(desc), 0);
    if (head.version !== layout.FORMAT_VERSION) {
      throw new CrctlError("E_IMAGE_VERSION", `${this.where}: a note has version ${head.version}, known is ${layout.FORMAT_VERSION}`);
    }
    if (size + head.count * head.rec_size + head.extra_size !== desc.length) {
      throw damaged(this.where, "a note's records do not fill it");
    }
    const end = size + head.count * head.rec_size;
    return { count: head.count, size: head.rec_size, records: desc.subarray(size, end), extra: desc.subarray(end) };
  }

  /** Brings records to the size that is known here; a longer one may have only zeroes where it is not known. */
  private parse<F extends Fields>(desc: Uint8Array, struct: Struct<F>): Records {
    const records = this.head(desc);
    if (records.count === 0 || records.size === struct.size) return records;
    if (records.size === 0) throw damaged(this.where, "a note has records of no size");
    const bytes = new Uint8Array(records.count * struct.size);
    for (let i = 0; i < records.count; i++) {
      const record = records.records.subarray(i * records.size, (i + 1) * records.size);
      if (record.subarray(struct.size).some((byte) => byte !== 0)) {
        throw new CrctlError("E_IMAGE_VERSION", `${this.where}: it says something that only a newer crctl knows`);
      }
      bytes.set(record.subarray(0, struct.size), i * struct.size);
    }
    return { ...records, records: bytes, size: struct.size };
  }

  private records<F extends Fields>(type: number, struct: Struct<F>): Records {
    const note = this.find(type);
    if (note === undefined) throw damaged(this.where, `it lacks the note ${noteName(type)}`);
    return this.parse(note.desc, struct);
  }

  private optional<F extends Fields>(type: number, struct: Struct<F>): StructValue<F>[] {
    const note = this.find(type);
    return note === undefined ? [] : this.all(this.parse(note.desc, struct), struct);
  }

  private one<F extends Fields>(type: number, struct: Struct<F>): StructValue<F> {
    return this.record(this.records(type, struct), struct, 0);
  }

  private record<F extends Fields>(records: Records, struct: Struct<F>, index: number): StructValue<F> {
    if (index >= records.count) throw damaged(this.where, "a note has no record");
    return struct.read(viewOf(records.records), index * struct.size);
  }

  private all<F extends Fields>(records: Records, struct: Struct<F>): StructValue<F>[] {
    const view = viewOf(records.records);
    return Array.from({ length: records.count }, (_, i) => struct.read(view, i * struct.size));
  }

  private slice(extra: Uint8Array, offset: number, length: number): Uint8Array {
    if (offset + length > extra.length) throw damaged(this.where, "a record points out of its note");
    return extra.subarray(offset, offset + length);
  }

  private text(extra: Uint8Array, offset: number, length: number): string {
    return length === 0 ? "" : Buffer.from(this.slice(extra, offset, length)).toString("utf8");
  }

  private u32s(extra: Uint8Array, offset: number, count: number): number[] {
    const view = viewOf(this.slice(extra, offset, count * 4));
    return Array.from({ length: count }, (_, i) => view.getUint32(i * 4, true));
  }
}

/** A 64-bit number as a double; NaN, which equals nothing, if that loses bits. */
function u53(view: DataView, at: number): number {
  const high = view.getUint32(at + 4, true);
  return high < 0x200000 ? high * 0x100000000 + view.getUint32(at, true) : NaN;
}

function align4(size: number): number {
  return Math.ceil(size / 4) * 4;
}

function noteName(type: number): string {
  const entry = Object.entries(layout.NT).find(([, value]) => value === type);
  return entry?.[0] ?? String(type);
}
