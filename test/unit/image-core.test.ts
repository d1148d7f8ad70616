import { expect } from "chai";

import { CrctlError } from "../../src/errors.js";
import { CoreHead, headSize } from "../../src/image/elfcore.js";
import * as layout from "../../src/image/layout.js";
import { concat, core, note, record, records } from "./lib/core-builder.js";

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);
const u32s = (...values: number[]): Uint8Array => new Uint8Array(Uint32Array.from(values).buffer);

const INFO = records(layout.NT.IMAGE, [
  record(layout.ImageInfo, { kind: 1, nr_threads: 2, xfeatures_used: 7n, release: "6.1.0-56-amd64" }),
]);
const EXE = "/usr/bin/cat";
const MM = records(
  layout.NT.MM,
  [record(layout.Mm, { brk: 0x5555n, exe_fd: -1, exe_off: 0, exe_len: EXE.length, exe_dev_major: 8, exe_dev_minor: 1, exe_ino: 42n })],
  ascii(EXE),
);
const VMAS = records(
  layout.NT.VMA,
  [
    record(layout.Vma, {
      start: 0x1000n,
      end: 0x3000n,
      kind: 2,
      prot: 5,
      dev_major: 8,
      dev_minor: 1,
      ino: 42n,
      fd: -1,
      name_off: 0,
      name_len: 12,
    }),
    record(layout.Vma, {
      start: 0x3000n,
      end: 0x4000n,
      kind: 2,
      prot: 1,
      dev_major: 8,
      dev_minor: 1,
      ino: 42n,
      fd: -1,
      name_off: 0,
      name_len: 12,
    }),
    record(layout.Vma, { start: 0x5000n, end: 0x6000n, kind: 1, prot: 3, fd: -1 }),
    record(layout.Vma, {
      start: 0x7000n,
      end: 0x8000n,
      kind: 3,
      prot: 3,
      dev_minor: 1,
      ino: 9n,
      fd: -1,
      file_flags: 2,
      name_off: 12,
      name_len: 9,
    }),
  ],
  ascii("/usr/bin/cat/dev/zero"),
);
const THREADS = [
  records(layout.NT.THREAD, [record(layout.Thread, { nr_pids: 2, pids_off: 0, comm: "cat", sigmask: 1n << 63n })], u32s(100, 7)),
  records(layout.NT.THREAD, [record(layout.Thread, { nr_pids: 1, pids_off: 0, comm: "cat" })], u32s(101)),
];
const LOADS = [
  { vaddr: 0x5000n, size: 0x1000n },
  { vaddr: 0x7ffff7f00000n, size: 0x3000n },
];

function rejects(bytes: Uint8Array, code = "E_IMAGE_DAMAGED", use: (head: CoreHead) => unknown = () => undefined): CrctlError {
  try {
    use(new CoreHead(bytes, "core"));
  } catch (error) {
    expect(error).to.be.instanceOf(CrctlError);
    expect((error as CrctlError).code).to.equal(code);
    return error as CrctlError;
  }
  throw new Error("it was accepted");
}

/** A copy with a number changed. */
function patch(bytes: Uint8Array, write: (view: DataView) => void): Uint8Array {
  const copy = Uint8Array.from(bytes);
  write(new DataView(copy.buffer));
  return copy;
}

describe("image: heads of cores", () => {
  const bytes = core([INFO, MM, VMAS, ...THREADS], LOADS);
  const head = new CoreHead(bytes, "core");

  it("tells its size from its first bytes", () => {
    expect(headSize(bytes.subarray(0, 184), "core")).to.equal(bytes.length);
    expect(head.headBytes).to.equal(bytes.length);
    expect(head.pageBytes).to.equal(0x4000n);
    expect(head.fileBytes).to.equal(0x1000n + 0x4000n);
  });

  it("reads page segments", () => {
    expect(head.loadCount).to.equal(2);
    expect(head.load(1)).to.deep.equal({ vaddr: 0x7ffff7f00000n, size: 0x3000n, offset: 0x2000n });
    expect(head.loadHeaders().getBigUint64(56 + 16, true)).to.equal(0x7ffff7f00000n);
  });

  it("reads records with their names and arrays", () => {
    expect(head.info).to.include({ kind: 1, nr_threads: 2, xfeatures_used: 7n, release: "6.1.0-56-amd64" });
    expect(head.mm).to.include({ exe: EXE, brk: 0x5555n, exe_fd: -1 });
    expect(head.vmas().map(({ start, kind, name }) => ({ start, kind, name }))).to.deep.equal([
      { start: 0x1000n, kind: 2, name: EXE },
      { start: 0x3000n, kind: 2, name: EXE },
      { start: 0x5000n, kind: 1, name: "" },
      { start: 0x7000n, kind: 3, name: "/dev/zero" },
    ]);
    expect(head.threads().map(({ pids, comm, sigmask }) => ({ pids, comm, sigmask }))).to.deep.equal([
      { pids: [100, 7], comm: "cat", sigmask: 1n << 63n },
      { pids: [101], comm: "cat", sigmask: 0n },
    ]);
    expect(head.timers()).to.deep.equal([]);
    expect(head.refusals()).to.deep.equal([]);
  });

  it("names each mapped file once", () => {
    expect(head.fileMappings()).to.deep.equal([
      { start: 0x1000n, devMajor: 8, devMinor: 1, ino: 42n, flags: 0, name: EXE },
      { start: 0x7000n, devMajor: 0, devMinor: 1, ino: 9n, flags: 2, name: "/dev/zero" },
    ]);
    expect(head.exe()).to.deep.equal({ devMajor: 8, devMinor: 1, ino: 42n, flags: 0, name: EXE });
  });

  it("reads refusals", () => {
    const refusal = record(layout.Refusal, { code: 19, tid: 5, addr: 0x1000n, text_off: 0, text_len: 4 });
    const [first] = new CoreHead(core([INFO, records(layout.NT.REFUSAL, [refusal], ascii("text"))]), "core").refusals();
    expect(first).to.include({ code: 19, tid: 5, addr: 0x1000n, text: "text" });
  });

  it("takes shorter records, and longer ones whose rest is zero", () => {
    const full = record(layout.Process, { exit_signal: 17, child_subreaper: 1 });
    const short = new CoreHead(core([records(layout.NT.PROCESS, [full.subarray(0, 4)])]), "core");
    expect(short.process).to.include({ exit_signal: 17, child_subreaper: 0 });
    const long = new CoreHead(core([records(layout.NT.PROCESS, [concat(full, new Uint8Array(8))])]), "core");
    expect(long.process).to.include({ exit_signal: 17, child_subreaper: 1 });
    rejects(core([records(layout.NT.PROCESS, [concat(full, Uint8Array.of(1))])]), "E_IMAGE_VERSION", (h) => h.process);
  });

  it("refuses another version of a note", () => {
    const newer = records(layout.NT.PROCESS, [record(layout.Process)], new Uint8Array(), 2);
    rejects(core([newer]), "E_IMAGE_VERSION", (h) => h.process);
  });

  it("refuses what points out of bounds", () => {
    const use = (h: CoreHead): unknown => [h.mm, h.vmas(), h.threads(), h.fileMappings(), h.exe()];
    rejects(core([records(layout.NT.MM, [record(layout.Mm, { exe_off: 1, exe_len: 4 })], ascii("abcd")), VMAS]), undefined, use);
    rejects(core([records(layout.NT.MM, [record(layout.Mm, { exe_off: 0xffffffff, exe_len: 0xffffffff })])]), undefined, (h) => h.exe());
    rejects(core([records(layout.NT.THREAD, [record(layout.Thread, { nr_pids: 33 })])]), undefined, (h) => h.threads());
    rejects(core([records(layout.NT.THREAD, [record(layout.Thread, { nr_pids: 2 })], u32s(1))]), undefined, (h) => h.threads());
    rejects(core([]), undefined, (h) => h.info);
    rejects(core([records(layout.NT.IMAGE, [])]), undefined, (h) => h.info);
  });

  it("refuses headers that lie", () => {
    rejects(bytes.subarray(0, 100));
    rejects(bytes.subarray(0, bytes.length - 1));
    rejects(patch(bytes, (v) => v.setUint16(16, 2, true))); // an executable
    rejects(patch(bytes, (v) => v.setUint8(0, 0)));
    rejects(patch(bytes, (v) => v.setUint32(64 + 44, 2, true))); // fewer headers than e_phnum
    rejects(patch(bytes, (v) => v.setBigUint64(128 + 32, 1n << 40n, true))); // notes without end
    rejects(patch(bytes, (v) => v.setBigUint64(184 + 8, 0x3000n, true))); // a hole in the file
    rejects(patch(bytes, (v) => v.setBigUint64(184 + 16, 0x5001n, true))); // not a page
    rejects(patch(bytes, (v) => v.setBigUint64(240 + 16, 0x5000n, true))); // overlapping
    rejects(patch(bytes, (v) => v.setBigUint64(240 + 32, 1n << 63n, true))); // of endless size
    rejects(patch(bytes, (v) => v.setUint32(240, 2, true))); // not PT_LOAD
  });

  it("refuses notes that do not fit", () => {
    rejects(core([note("CORE", 1, new Uint8Array(8)).subarray(0, 14)]));
    rejects(core([patch(note("CORE", 1, new Uint8Array(8)), (v) => v.setUint32(4, 0xfffffff0, true))]));
    rejects(core([patch(note("CORE", 1, new Uint8Array(8)), (v) => v.setUint32(0, 0xfffffff0, true))]));
    rejects(core([note(layout.NOTE_NAME, layout.NT.MM, new Uint8Array(3))]), undefined, (h) => h.mm);
    rejects(
      core([note(layout.NOTE_NAME, layout.NT.MM, record(layout.NoteHead, { version: 1, rec_size: 1 << 31, count: 1 << 31 }))]),
      undefined,
      (h) => h.mm,
    );
  });

  it("survives any flipped byte", () => {
    for (let at = 0; at < bytes.length; at++) {
      for (const bits of [0x01, 0x80, 0xff]) {
        const copy = Uint8Array.from(bytes);
        copy[at] = (copy[at] ?? 0) ^ bits;
        try {
          const flipped = new CoreHead(copy, "core");
          const parts = [flipped.info, flipped.mm, flipped.vmas(), flipped.threads(), flipped.fileMappings(), flipped.exe()];
          expect(parts).to.have.lengthOf(6);
        } catch (error) {
          expect(error).to.be.instanceOf(CrctlError);
        }
      }
    }
  });

  it("counts more headers than e_phnum holds", () => {
    const many = Array.from({ length: 70000 }, (_, i) => ({ vaddr: BigInt(i) * 0x2000n + 0x10000n, size: 0x1000n }));
    const large = new CoreHead(core([INFO], many), "core");
    expect(large.loadCount).to.equal(70000);
    expect(large.pageBytes).to.equal(70000n * 0x1000n);
  });
});
