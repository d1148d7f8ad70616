/** System V objects: what the kernel says of them, what an image may, and which stand in the way of which. */

import { expect } from "chai";

import { Vma } from "../../src/image/layout.js";
import type { Inventory, Ipc, MappedFile, MessageQueue, Sched, Segment, SemaphoreSet, Task } from "../../src/image/schema.js";
import * as validate from "../../src/image/validate.js";
import { sysvText } from "../../src/kinds/sysv/objects.js";
import { conflictOf, mappedKey } from "../../src/kinds/sysv/segments.js";
import { queueConflict } from "../../src/kinds/sysv/queues.js";
import { setConflict } from "../../src/kinds/sysv/semaphores.js";
import { parseQueues, parseSegments, parseSemaphores, type SegmentStat } from "../../src/proc/sysvipc.js";
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
  return isImage(memory, { semaphores: [], queues: [] });
}

function isImage(memory: MappedFile[], ipc: Ipc): boolean {
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
  const live: Task = {
    ...task,
    pids: [2],
    ppid: 1,
    state: "running",
    threads: [{ pids: [2], comm: "a", sched: {} as Sched }],
    core: "core-2.elf",
  };
  const inventory = {
    rootPid: 1,
    files: [
      { name: "data-0.img", size: 8192n },
      { name: "core-2.elf", size: 1n },
    ],
  } as unknown as Inventory;
  try {
    validate.crossCheck({
      inventory,
      tasks: [task, live],
      files: [],
      memory: validate.mappedFiles(memory, ""),
      ipc: validate.ipc(ipc, ""),
    });
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
    const huge = { pageBytes: 2n << 20n, runs: [], reserved: true };
    expect(accepted(file({}, { data: { name: "data-0.img", size: 2n << 20n, huge } }))).to.equal(true);
    const impossible: [string, MappedFile[]][] = [
      ["the size of small pages", [file({}, { data: { name: "data-0.img", size: 8192n, huge } })]],
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
    expect(sysvText(SEGMENT)).to.equal("5 (key 0x1234)");
    expect(sysvText({ ...SEGMENT, key: -1 })).to.equal("5 (key 0xffffffff)");
    expect(sysvText({ ...SEGMENT, key: 0 })).to.equal("5");
  });
});

const SETS = [
  "       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime",
  "        -2      32769   642          7  1234  4321     0     5 1795390012 1795390012",
  "",
].join("\n");

const QUEUES = [
  "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid      stime      rtime      ctime",
  "         0          3   600         107          2   311   312     1     2     3     4 1795390012 1795390012 1795390012",
  "",
].join("\n");

const OBJECT = { id: 5, key: 0x1234, mode: 0o600, uid: 0, gid: 0, cuid: 1, cgid: 2 };
const SET: SemaphoreSet = {
  ...OBJECT,
  values: [1, 32767],
  lastPids: [1, 0],
  undo: [
    {
      pid: 2,
      adjustments: [
        { semaphore: 0, value: -32768 },
        { semaphore: 1, value: 7 },
      ],
    },
  ],
};
const QUEUE: MessageQueue = {
  ...OBJECT,
  maxBytes: 16384n,
  lastSender: 2,
  lastReceiver: 0,
  messages: [{ type: 1n, data: new Uint8Array() }],
};

describe("System V semaphores and message queues", () => {
  it("as /proc/sysvipc has them", () => {
    expect(parseSemaphores(SETS)).to.deep.equal([{ key: -2, id: 32769, mode: 0o642, uid: 1234, gid: 4321, cuid: 0, cgid: 5, count: 7 }]);
    expect(parseQueues(QUEUES)).to.deep.equal([
      { key: 0, id: 3, mode: 0o600, uid: 1, gid: 2, cuid: 3, cgid: 4, lastSender: 311, lastReceiver: 312 },
    ]);
  });

  it("as an image may have them", () => {
    const sets = (...semaphores: unknown[]): boolean => isImage([], { semaphores: semaphores as SemaphoreSet[], queues: [] });
    const queues = (...all: unknown[]): boolean => isImage([], { semaphores: [], queues: all as MessageQueue[] });
    expect(sets(SET)).to.equal(true);
    expect(queues(QUEUE)).to.equal(true);
    // those of different kinds do not meet
    expect(isImage([file()], { semaphores: [SET], queues: [QUEUE] })).to.equal(true);
    const undo = (...adjustments: { semaphore: number; value: number }[]): object => ({ ...SET, undo: [{ pid: 2, adjustments }] });
    const impossible: [string, boolean][] = [
      ["the same id", sets(SET, { ...SET, key: 0 })],
      ["the same key", sets(SET, { ...SET, id: 6 })],
      ["a large id", sets({ ...SET, id: 2 ** 31 })],
      ["a large mode", sets({ ...SET, mode: 0o1000 })],
      ["no semaphores", sets({ ...SET, values: [], lastPids: [], undo: [] })],
      ["too many", sets({ ...SET, values: new Array(65537).fill(0), lastPids: new Array(65537).fill(0) })],
      ["a large value", sets({ ...SET, values: [0, 32768] })],
      ["a value below nothing", sets({ ...SET, values: [0, -1] })],
      ["too few tasks", sets({ ...SET, lastPids: [1] })],
      ["a task that is not there", sets({ ...SET, lastPids: [1, 3] })],
      ["to be undone by a zombie", sets({ ...SET, undo: [{ pid: 1, adjustments: [] }] })],
      ["to be undone twice by one", sets({ ...SET, undo: [...SET.undo, ...SET.undo] })],
      ["to be undone by nobody", sets({ ...SET, undo: [{ pid: 0, adjustments: [] }] })],
      ["nothing to undo", sets(undo({ semaphore: 0, value: 0 }))],
      ["too much to undo", sets(undo({ semaphore: 0, value: 32768 }))],
      ["far too much to undo", sets(undo({ semaphore: 0, value: -32769 }))],
      ["another semaphore to undo", sets(undo({ semaphore: 2, value: 1 }))],
      ["one twice to undo", sets(undo({ semaphore: 0, value: 1 }, { semaphore: 0, value: 1 }))],
      ["queues of the same id", queues(QUEUE, { ...QUEUE, key: 0 })],
      ["queues of the same key", queues(QUEUE, { ...QUEUE, id: 6 })],
      ["a sender that is not there", queues({ ...QUEUE, lastSender: 3 })],
      ["a receiver that is not there", queues({ ...QUEUE, lastReceiver: 3 })],
      ["a limit of 65 bits", queues({ ...QUEUE, maxBytes: 1n << 64n })],
      ["a limit below nothing", queues({ ...QUEUE, maxBytes: -1n })],
      ["no type", queues({ ...QUEUE, messages: [{ type: 0n, data: new Uint8Array() }] })],
      ["a large type", queues({ ...QUEUE, messages: [{ type: 1n << 63n, data: new Uint8Array() }] })],
      ["no bytes", queues({ ...QUEUE, messages: [{ type: 1n, data: "text" }] })],
    ];
    for (const [what, image] of impossible) expect(image, what).to.equal(false);
  });

  it("meet others at a restore", () => {
    const set = (fields: object = {}, used?: string): string | undefined =>
      setConflict(SET, [{ ...OBJECT, count: 2, ...fields }], () => used)?.why;
    // the one that was saved
    expect(set({ uid: 77, mode: 0o644 })).to.equal(undefined);
    expect(set({}, "somebody waits")).to.match(/semaphore set 5 \(key 0x1234\) is there, and somebody waits/);
    for (const fields of [{ key: 0 }, { count: 3 }, { cuid: 7 }, { cgid: 7 }])
      expect(set(fields), JSON.stringify(Object.keys(fields))).to.match(/another semaphore set has its id, 5/);
    expect(set({ id: 6 })).to.match(/another semaphore set, 6, has its key, 0x1234/);
    expect(set({ id: 6, key: 0 })).to.equal(undefined);

    const queue = (fields: object = {}, living?: number): string | undefined =>
      queueConflict(QUEUE, [{ ...OBJECT, lastSender: 8, lastReceiver: 9, ...fields }], (pid) =>
        pid === living ? "process 9 (x)" : undefined,
      )?.why;
    expect(queue()).to.equal(undefined);
    expect(queue({}, 9)).to.match(/message queue 5 .* is there, and process 9 \(x\) has sent to it or received from it last/);
    expect(queue({ cuid: 7 })).to.match(/another message queue has its id, 5/);
    expect(queue({ id: 6 })).to.match(/another message queue, 6, has its key/);
  });
});
