/** System V shared memory: what the kernel says of it, what an image may, and which segments stand in the way of which. */

import { expect } from "chai";

import { Vma } from "../../src/image/layout.js";
import type { Inventory, MappedFile, Segment, Task } from "../../src/image/schema.js";
import * as validate from "../../src/image/validate.js";
import { conflictOf, mappedKey, segmentText } from "../../src/kinds/sysv.js";
import { parseSegments, type SegmentStat } from "../../src/proc/sysvipc.js";
import { MappedFileIndex } from "../../src/restore/manifest.js";

const TEXT = [
  "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime                   rss                  swap",
  "1129468995          0   600                 12288   311   311      1     0     0     0     0 1795390012          0 1795390012                  8192                     0",
  "        -2      32769  3642                   100   311   312      3  1234  4321 65534     5 1795390012          0 1795390012                  4096                     0",
  "",
].join("\n");

const SEGMENT: Segment = {
  id: 5,
  key: 0x1234,
  size: 5000n,
  mode: 0o600,
  uid: 0,
  gid: 0,
  cuid: 1,
  cgid: 2,
  destroyed: false,
  locked: false,
};

const identity = {
  path: "/SYSV00001234",
  dev: 1n,
  ino: 5n,
  mode: 0o100777,
  uid: 0,
  gid: 0,
  size: 5000n,
  mtimeNs: 0n,
  deleted: true,
};

function file(segment: Partial<Segment> = {}, fields: Partial<MappedFile> = {}): MappedFile {
  const whole = { ...SEGMENT, ...segment };
  return {
    id: 0,
    kind: "sysv",
    kernelDev: 1n,
    kernelIno: BigInt(whole.id),
    identity,
    segment: whole,
    data: { name: "data-0.img", size: 8192n },
    ...fields,
  };
}

function accepted(...memory: MappedFile[]): boolean {
  const task: Task = {
    pids: [1],
    ppid: 0,
    pgid: 1,
    sid: 1,
    comm: "a",
    state: "zombie",
    exitStatus: 0,
    threads: [],
    descriptors: [],
  };
  const inventory = { rootPid: 1, files: [{ name: "data-0.img", size: 8192n }] } as unknown as Inventory;
  try {
    validate.crossCheck({ inventory, tasks: [task], files: [], memory: validate.mappedFiles(memory, "") });
    return true;
  } catch {
    return false;
  }
}

describe("System V shared memory", () => {
  it("as /proc/sysvipc/shm has it", () => {
    expect(parseSegments(TEXT)).to.deep.equal([
      {
        key: 1129468995,
        id: 0,
        mode: 0o600,
        destroyed: false,
        locked: false,
        size: 12288n,
        creatorPid: 311,
        attached: 1,
        uid: 0,
        gid: 0,
        cuid: 0,
        cgid: 0,
      },
      {
        key: -2,
        id: 32769,
        mode: 0o642,
        destroyed: true,
        locked: true,
        size: 100n,
        creatorPid: 311,
        attached: 3,
        uid: 1234,
        gid: 4321,
        cuid: 65534,
        cgid: 5,
      },
    ]);
    expect(parseSegments("")).to.deep.equal([]);
  });

  it("as an image may have it", () => {
    expect(accepted(file())).to.equal(true);
    expect(accepted(file(), file({ id: 6, key: 0 }, { id: 1 }), file({ id: 7, key: 0 }, { id: 2 }))).to.equal(true);
    // one that was marked has lost its key
    expect(accepted(file(), file({ id: 6, destroyed: true }, { id: 1 }))).to.equal(true);
    const impossible: [string, MappedFile[]][] = [
      ["the same id", [file(), file({ key: 0 }, { id: 1 })]],
      ["the same key", [file(), file({ id: 6 }, { id: 1 })]],
      ["another inode", [file({}, { kernelIno: 6n })]],
      ["a large id", [file({ id: 2 ** 31 })]],
      ["a large key", [file({ key: 2 ** 31 })]],
      ["a large mode", [file({ mode: 0o1000 })]],
      ["a large user id", [file({ cuid: 2 ** 32 })]],
      ["no size", [file({ size: 0n }, { data: { name: "data-0.img", size: 0n } })]],
      ["another size", [file({ size: 4096n })]],
      ["no contents", [{ ...file(), data: undefined } as unknown as MappedFile]],
      ["no segment", [{ ...file(), segment: undefined } as unknown as MappedFile]],
      ["another kind", [file({}, { kind: "shmem" })]],
    ];
    for (const [what, memory] of impossible) expect(accepted(...memory), what).to.equal(false);
  });

  it("is not other memory with the same number", () => {
    const index = new MappedFileIndex([file(), { id: 1, kind: "shmem", kernelDev: 1n, kernelIno: 5n, identity }]);
    const bytes = new Uint8Array(Vma.size);
    const view = new DataView(bytes.buffer);
    const { dev_major, ino } = Vma.offsets;
    view.setUint32(dev_major + 4, 1, true);
    view.setBigUint64(ino, 5n, true);
    expect(index.find(view, dev_major, ino, true)).to.equal(0);
    expect(index.find(view, dev_major, ino, false)).to.equal(1);
    expect(mappedKey(1n, 5n, true)).not.to.equal(mappedKey(1n, 5n, false));
  });

  it("meets others at a restore", () => {
    const there = (fields: Partial<SegmentStat>): SegmentStat[] => [{ ...SEGMENT, creatorPid: 1, attached: 0, ...fields }];
    const why = (table: readonly SegmentStat[], segment: Partial<Segment> = {}): string | undefined =>
      conflictOf({ ...SEGMENT, ...segment }, table)?.why;
    expect(why([])).to.equal(undefined);
    // the one that was saved
    expect(why(there({ uid: 77, mode: 0o644, locked: true }))).to.equal(undefined);
    expect(why(there({ attached: 1 }))).to.match(/somebody has attached it/);
    for (const fields of [{ key: 0 }, { size: 4096n }, { cuid: 7 }, { cgid: 7 }, { destroyed: true }])
      expect(why(there(fields)), JSON.stringify(Object.keys(fields))).to.match(/another segment has its id, 5/);
    expect(why(there({ id: 6 }))).to.match(/another segment, 6, has its key, 0x1234/);
    expect(why(there({ id: 6, key: 0 }), { key: 0 })).to.equal(undefined);
    expect(why(there({ id: 6 }), { destroyed: true })).to.equal(undefined);
    // it went with its last attachment
    expect(why(there({}), { destroyed: true })).to.match(/another segment has its id/);
  });

  it("in words", () => {
    expect(segmentText(SEGMENT)).to.equal("5 (key 0x1234)");
    expect(segmentText({ ...SEGMENT, key: -1 })).to.equal("5 (key 0xffffffff)");
    expect(segmentText({ ...SEGMENT, key: 0 })).to.equal("5");
  });
});
