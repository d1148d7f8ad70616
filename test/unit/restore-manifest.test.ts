/** Exec manifests, made from a core that the test makes, and read back. */

import { expect } from "chai";

import { CoreHead } from "../../src/image/elfcore.js";
import * as layout from "../../src/image/layout.js";
import type { MappedFile, Task } from "../../src/image/schema.js";
import type { Fields, Struct, StructValue } from "../../src/image/struct.js";
import { ManifestDraft, MappedFileIndex } from "../../src/restore/manifest.js";

const PAGE = 4096n;

/** All fields zero, but for those given. */
function record<F extends Fields>(struct: Struct<F>, fields: Partial<StructValue<F>>): StructValue<F> {
  const zero = struct.read(new DataView(new ArrayBuffer(struct.size)), 0);
  return { ...zero, ...fields };
}

function note<F extends Fields>(type: number, struct: Struct<F>, values: StructValue<F>[], extra = Buffer.alloc(0)): Buffer {
  const desc = Buffer.alloc(layout.NoteHead.size + values.length * struct.size + extra.length);
  const view = new DataView(desc.buffer, desc.byteOffset, desc.length);
  layout.NoteHead.write(view, 0, { version: 1, rec_size: struct.size, count: values.length, extra_size: extra.length });
  values.forEach((value, i) => struct.write(view, layout.NoteHead.size + i * struct.size, value));
  extra.copy(desc, desc.length - extra.length);
  const head = Buffer.alloc(20);
  head.writeUInt32LE(6, 0);
  head.writeUInt32LE(desc.length, 4);
  head.writeUInt32LE(type, 8);
  head.write("CRCTL", 12, "latin1");
  return Buffer.concat([head, desc, Buffer.alloc(-desc.length & 3)]);
}

interface Load {
  vaddr: bigint;
  pages: bigint;
}

function core(notes: readonly Buffer[], loads: readonly Load[]): Uint8Array {
  const body = Buffer.concat(notes);
  const count = loads.length + 1;
  const head = Buffer.alloc(128 + 56 * count);
  head.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  head.writeUInt16LE(4, 16);
  head.writeUInt16LE(62, 18);
  head.writeBigUInt64LE(128n, 32);
  head.writeBigUInt64LE(64n, 40);
  head.writeUInt16LE(56, 54);
  head.writeUInt16LE(count, 56);
  head.writeUInt32LE(count, 64 + 44);
  head.writeUInt32LE(4, 128);
  head.writeBigUInt64LE(BigInt(head.length), 128 + 8);
  head.writeBigUInt64LE(BigInt(body.length), 128 + 32);
  let offset = (BigInt(head.length + body.length) + PAGE - 1n) & ~(PAGE - 1n);
  loads.forEach(({ vaddr, pages }, i) => {
    const at = 128 + 56 * (i + 1);
    head.writeUInt32LE(1, at);
    head.writeBigUInt64LE(offset, at + 8);
    head.writeBigUInt64LE(vaddr, at + 16);
    head.writeBigUInt64LE(pages * PAGE, at + 32);
    head.writeBigUInt64LE(pages * PAGE, at + 40);
    offset += pages * PAGE;
  });
  return Buffer.concat([head, body]);
}

const identity = { path: "/lib/x.so", dev: 1n, ino: 2n, mode: 0o100755, uid: 0, gid: 0, size: 8192n, mtimeNs: 0n, deleted: false };

const MEMORY: MappedFile[] = [
  { id: 0, kind: "file", kernelDev: (8n << 32n) | 1n, kernelIno: 0x1_0000_0005n, identity },
  { id: 1, kind: "shmem", kernelDev: (0n << 32n) | 1n, kernelIno: 9n, identity },
];

const TASK: Task = {
  pids: [50],
  ppid: 1,
  pgid: 50,
  sid: 50,
  comm: "test",
  state: "running",
  threads: [],
  core: "core-50.elf",
  descriptors: [
    { fd: 0, file: 0, cloexec: false },
    { fd: 5, file: 0, cloexec: true },
    { fd: 7, file: 0, cloexec: true },
  ],
};

const { ANON, FILE_PRIVATE, FILE_SHARED } = layout.VMA_KIND;

function exampleCore(): Uint8Array {
  const file = { dev_major: 8, dev_minor: 1, ino: 0x1_0000_0005n, fd: -1 };
  return core(
    [
      note(layout.NT.IMAGE, layout.ImageInfo, [record(layout.ImageInfo, { kind: layout.IMAGE_KIND.DUMP, nr_threads: 1, release: "6.1" })]),
      note(layout.NT.MM, layout.Mm, [record(layout.Mm, { exe_fd: -1, exe_dev_major: 8, exe_dev_minor: 1, exe_ino: 0x1_0000_0005n })]),
      note(layout.NT.VMA, layout.Vma, [
        record(layout.Vma, { start: 0x10000n, end: 0x12000n, kind: FILE_PRIVATE, prot: 5, offset: PAGE, ...file }),
        record(layout.Vma, { start: 0x20000n, end: 0x21000n, kind: ANON, fd: -1 }),
        record(layout.Vma, {
          start: 0x30000n,
          end: 0x31000n,
          kind: FILE_SHARED,
          flags: layout.VMF.MAYWRITE,
          dev_minor: 1,
          ino: 9n,
          fd: -1,
        }),
        record(layout.Vma, { start: 0x40000n, end: 0x41000n, kind: FILE_SHARED, ...file }),
      ]),
    ],
    [
      { vaddr: 0x10000n, pages: 1n },
      { vaddr: 0x20000n, pages: 2n },
    ],
  );
}

function manifestOf(task: Task = TASK, sharing: { id?: number; source?: number } = {}): CoreHead {
  const draft = new ManifestDraft(new CoreHead(exampleCore(), "core"), task, new MappedFileIndex(MEMORY), true);
  const parts = draft.build({
    mapped: ({ memory, writable }) => 100 + memory * 2 + (writable ? 1 : 0),
    core: 200,
    gate: 201,
    report: 202,
    ...sharing,
  });
  return new CoreHead(Buffer.concat(parts), "manifest");
}

function descOf(head: CoreHead, type: number): DataView {
  const found = head.find(type);
  if (found === undefined) throw new Error(`no note ${type}`);
  return new DataView(found.desc.buffer, found.desc.byteOffset, found.desc.length);
}

describe("restore: exec manifests", () => {
  it("are images of their own kind, without pages", () => {
    const head = manifestOf();
    expect(head.info.kind).to.equal(layout.IMAGE_KIND.MANIFEST);
    expect(head.notes[0]?.type).to.equal(layout.NT.IMAGE);
    expect(head.loadCount).to.equal(0);
  });

  it("name a descriptor for each file mapping and the exe, as their kind of use demands", () => {
    const head = manifestOf();
    expect(head.vmas().map(({ fd }) => fd)).to.deep.equal([100, -1, 103, 100]);
    expect(head.mm.exe_fd).to.equal(100);
  });

  it("say where the pages are", () => {
    const view = descOf(manifestOf(), layout.NT.EXTENT);
    expect(layout.NoteHead.read(view, 0)).to.include({ count: 2, rec_size: layout.Extent.size, extra_size: 0 });
    const extents = [0, 1].map((i) => layout.Extent.read(view, layout.NoteHead.size + i * layout.Extent.size));
    expect(extents[0]).to.deep.include({ vaddr: 0x10000n, len: PAGE, fd: 200, source: 0 });
    expect(extents[1]).to.deep.include({ vaddr: 0x20000n, len: 2n * PAGE, fd: 200 });
    expect(extents[1]?.offset).to.equal((extents[0]?.offset ?? 0n) + PAGE);
  });

  it("name gate and report, and the descriptors that close on exec", () => {
    const head = manifestOf();
    const control = layout.Control.read(descOf(head, layout.NT.CONTROL), layout.NoteHead.size);
    expect(control).to.deep.equal({ gate_fd: 201, report_fd: 202, flags: 0, id: 0, source: 0, pad: 0 });
    const cloexec = descOf(head, layout.NT.CLOEXEC);
    expect(layout.NoteHead.read(cloexec, 0)).to.include({ count: 0, extra_size: 8 });
    expect([16, 20].map((at) => cloexec.getUint32(at, true))).to.deep.equal([5, 7]);
  });

  it("say whose pages the task shares, and under which number others find its own", () => {
    const control = layout.Control.read(descOf(manifestOf(TASK, { id: 3, source: 1 }), layout.NT.CONTROL), layout.NoteHead.size);
    expect(control).to.include({ id: 3, source: 1 });
  });

  it("carry seccomp filters, threads counted from 1", () => {
    const insns = (byte: number, count: number): Uint8Array => new Uint8Array(count * 8).fill(byte);
    const seccomp = [
      { thread: 0, mode: 2, filters: [{ flags: 0, insns: insns(1, 2) }] },
      {
        thread: 1,
        mode: 2,
        filters: [
          { flags: 1, insns: insns(2, 1) },
          { flags: 0, insns: insns(3, 3) },
        ],
      },
    ];
    const filters = manifestOf({ ...TASK, seccomp }).seccomp();
    expect(filters.map(({ thread, flags, nr_insns }) => [thread, flags, nr_insns])).to.deep.equal([
      [1, 0, 2],
      [2, 1, 1],
      [2, 0, 3],
    ]);
    expect(filters.map((filter) => filter.insns[0])).to.deep.equal([1, 2, 3]);
    expect(manifestOf().find(layout.NT.SECCOMP)).to.equal(undefined);
  });

  it("name the locks of the process, and have no such note without any", () => {
    const locks = [
      { fd: 5, write: true, start: 10n, length: 20n },
      { fd: 7, write: false, start: 0n, length: 0n },
    ];
    const view = descOf(manifestOf({ ...TASK, locks }), layout.NT.LOCK);
    expect(layout.NoteHead.read(view, 0)).to.include({ count: 2, rec_size: layout.Lock.size, extra_size: 0 });
    expect([0, 1].map((i) => layout.Lock.read(view, layout.NoteHead.size + i * layout.Lock.size))).to.deep.equal([
      { fd: 5, write: 1, start: 10n, len: 20n },
      { fd: 7, write: 0, start: 0n, len: 0n },
    ]);
    expect(manifestOf().find(layout.NT.LOCK)).to.equal(undefined);
  });

  it("tell how files are used", () => {
    const { uses } = new ManifestDraft(new CoreHead(exampleCore(), "core"), TASK, new MappedFileIndex(MEMORY), true);
    expect(uses.map(({ memory, writable, private: isPrivate, end }) => [memory, writable, isPrivate, end])).to.deep.equal([
      [0, false, true, 3n * PAGE],
      [1, true, false, PAGE],
      [0, false, false, PAGE],
      [0, false, false, 0n],
    ]);
  });

  it("refuse a mapping of a file that the image does not know", () => {
    expect(() => new ManifestDraft(new CoreHead(exampleCore(), "core"), TASK, new MappedFileIndex(MEMORY.slice(1)), true)).to.throw(
      /does not know/,
    );
  });
});
