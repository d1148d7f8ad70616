import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { spawnSync } from "node:child_process";
import { expect } from "chai";

import { CrctlError } from "../../src/errors.js";
import { pack, unpack } from "../../src/image/msgpack.js";
import { readCoreHead, readImage } from "../../src/image/read.js";
import * as layout from "../../src/image/layout.js";
import type { Inventory, OpenFile, Task } from "../../src/image/schema.js";
import { seal } from "../../src/image/seal.js";
import { ImageWriter } from "../../src/image/write.js";
import { core, record, records } from "./lib/core-builder.js";

const CORE = core([records(layout.NT.IMAGE, [record(layout.ImageInfo, { kind: 1, nr_threads: 1 })])]);

const INVENTORY: Omit<Inventory, "files" | "sha256"> = {
  magic: "crctl",
  version: 1,
  requires: [],
  id: "00",
  crctlVersion: "0.1.0",
  createdUnixNs: 1n,
  kernel: { release: "6.1", version: "#1", machine: "x86_64" },
  hostname: "h",
  clocks: { realtime: 1n, monotonic: 2n, boottime: 2n ** 60n },
  timeOffsets: { monotonic: 0n, boottime: 0n },
  bootId: "b",
  rootPid: 100,
  shellJob: false,
  xfeatures: 7n,
  stats: { tasks: 2, threads: 1, bytes: 1n, frozenNs: 1n },
};

const SCHED = { policy: 0, priority: 0, nice: 0, flags: 0n, runtime: 0n, deadline: 0n, period: 0n, affinity: "3", ioprio: 0 };

const TASKS: Task[] = [
  {
    pids: [100],
    ppid: 1,
    pgid: 100,
    sid: 100,
    comm: "a",
    state: "running",
    core: "core-100.elf",
    threads: [{ pids: [100], comm: "a", sched: SCHED }],
    descriptors: [{ fd: 0, file: 0, cloexec: false }],
  },
  {
    pids: [101],
    ppid: 100,
    pgid: 100,
    sid: 100,
    comm: "z",
    state: "zombie",
    exitStatus: 256,
    exitSignal: 17,
    threads: [],
    descriptors: [],
  },
];

const FILES: OpenFile[] = [
  { id: 0, kind: "pipe", flags: 0, pipe: { ino: 5n, capacity: 65536, chunks: [{ data: Uint8Array.of(1, 2), packet: false }] } },
];

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof CrctlError) return error.code;
    throw error;
  }
  return "none";
}

describe("image: msgpack", () => {
  it("is one value, with nothing behind it", () => {
    expect(unpack(pack([1, { a: 2n }]))).to.deep.equal([1, { a: 2n }]);
    for (const bytes of [new Uint8Array(), pack([1, 2]).subarray(0, 2)]) expect(() => unpack(bytes)).to.throw("Unexpected end");
  });

  it("is not written out to tell what is wrong with it", () => {
    // as JSON these are gigabytes
    const value = pack(Array.from({ length: 100 }, () => new Uint8Array(1 << 20)));
    expect(() => unpack(Buffer.concat([value, Uint8Array.of(1)]))).to.throw(
      `something follows its value, which ends at byte ${value.length}`,
    );
  });
});

describe("image: directories", () => {
  let top: string;
  let dir: string;

  beforeEach(() => {
    top = mkdtempSync(path.join(tmpdir(), "crctl-image-"));
    dir = path.join(top, "image");
  });
  afterEach(() => rmSync(top, { recursive: true }));

  const make = (options: { force?: boolean; tasks?: Task[]; files?: OpenFile[] } = {}): void => {
    const writer = ImageWriter.open(dir, { force: options.force ?? false });
    writer.write("core-100.elf", writer.create("core-100.elf"), Buffer.concat([CORE], 4096));
    writer.setHash("core-100.elf", CORE);
    writer.writeMetadata("files.msgpack", options.files ?? FILES);
    writer.writeMetadata("memory.msgpack", []);
    writer.writeMetadata("tasks.msgpack", options.tasks ?? TASKS);
    writer.finish(INVENTORY);
  };
  const file = (name: string): string => path.join(dir, name);

  it("are read as they were written", () => {
    make();
    const image = readImage(dir);
    expect(image.tasks).to.deep.equal(TASKS);
    expect(image.inventory).to.include({ rootPid: 100, hostname: "h" });
    expect(image.inventory.clocks.boottime).to.equal(2n ** 60n);
    const [pipe] = image.files;
    expect(pipe?.kind === "pipe" && [...(pipe.pipe.chunks[0]?.data ?? [])]).to.deep.equal([1, 2]);
    expect(readCoreHead(image, "core-100.elf").info.nr_threads).to.equal(1);
  });

  it("hold nothing but the image", () => {
    make();
    expect(readdirSync(dir).sort()).to.deep.equal([
      "core-100.elf",
      "files.msgpack",
      "inventory.msgpack",
      "memory.msgpack",
      "tasks.msgpack",
    ]);
  });

  it("are refused if something is there that must not be lost", () => {
    make();
    expect(codeOf(() => ImageWriter.open(dir, { force: false }))).to.equal("E_DIR_IN_USE");
    writeFileSync(file("notes.txt"), "mine");
    make({ force: true });
    expect(existsSync(file("notes.txt"))).to.equal(true);
    expect(codeOf(() => ImageWriter.open(file("notes.txt"), { force: true }))).to.equal("E_DIR");
    expect(codeOf(() => ImageWriter.open(path.join(file("notes.txt"), "x"), { force: false }))).to.equal("E_DIR");
    expect(codeOf(() => ImageWriter.open(path.join(top, "no", "such"), { force: false }))).to.equal("E_DIR");
  });

  it("are written to by one at a time", () => {
    const first = ImageWriter.open(dir, { force: false });
    first.create("core-1.elf");
    for (const force of [false, true]) expect(codeOf(() => ImageWriter.open(dir, { force }))).to.equal("E_DIR_IN_USE");
    expect(readdirSync(dir)).to.deep.equal(["core-1.elf"]);
    first.abandon();
    ImageWriter.open(dir, { force: false }).abandon();
  });

  it("are as before when a dump fails", () => {
    const first = ImageWriter.open(dir, { force: false });
    first.create("core-1.elf");
    first.abandon();
    expect(existsSync(dir)).to.equal(false);

    mkdirSync(dir);
    const second = ImageWriter.open(dir, { force: false });
    second.create("core-1.elf");
    second.abandon();
    expect(readdirSync(dir)).to.deep.equal([]);

    make();
    const before = readFileSync(file("inventory.msgpack"));
    const third = ImageWriter.open(dir, { force: true });
    expect(codeOf(() => readImage(dir))).to.equal("E_IMAGE_INCOMPLETE");
    third.create("core-100.elf");
    third.abandon();
    expect(readFileSync(file("inventory.msgpack")).equals(before)).to.equal(true);
    expect(readdirSync(dir).some((name) => name.startsWith("."))).to.equal(false);
    readImage(dir);
  });

  it("lose what an unfinished dump has left", () => {
    mkdirSync(dir);
    writeFileSync(file("core-9.elf"), "x");
    writeFileSync(file("inventory.msgpack.tmp"), "x");
    expect(codeOf(() => readImage(dir))).to.equal("E_IMAGE_INCOMPLETE");
    make();
    expect(existsSync(file("core-9.elf"))).to.equal(false);
  });

  it("are told from what is no image", () => {
    expect(codeOf(() => readImage(dir))).to.equal("E_NO_IMAGE");
    mkdirSync(dir);
    expect(codeOf(() => readImage(dir))).to.equal("E_NO_IMAGE");
    writeFileSync(file("x"), "");
    expect(codeOf(() => readImage(dir))).to.equal("E_NO_IMAGE");
    expect(codeOf(() => readImage(file("x")))).to.equal("E_NO_IMAGE");
    writeFileSync(file("inventory.msgpack"), "this is no inventory");
    expect(codeOf(() => readImage(dir))).to.equal("E_IMAGE_DAMAGED");
    writeFileSync(file("inventory.msgpack"), pack({ magic: "other" }));
    expect(codeOf(() => readImage(dir))).to.equal("E_IMAGE_DAMAGED");
    rmSync(file("inventory.msgpack"));
    spawnSync("mkfifo", [file("inventory.msgpack")]);
    expect(codeOf(() => readImage(dir))).to.equal("E_IMAGE_DAMAGED");
  });

  it("are refused with any bit of the metadata flipped", () => {
    make();
    for (const name of ["inventory.msgpack", "tasks.msgpack", "files.msgpack", "memory.msgpack", "core-100.elf"]) {
      const good = readFileSync(file(name));
      const length = name === "core-100.elf" ? CORE.length : good.length;
      for (let i = 0; i < 40; i++) {
        const bad = Buffer.from(good);
        const at = (i * 7919) % length;
        bad[at] = (bad[at] ?? 0) ^ (1 << (i % 8));
        writeFileSync(file(name), bad);
        expect(
          codeOf(() => readCoreHead(readImage(dir), "core-100.elf")),
          `${name} at ${at}`,
        ).to.equal("E_IMAGE_DAMAGED");
      }
      writeFileSync(file(name), good);
    }
  });

  it("are refused, and not read, when the inventory is larger than any image needs", () => {
    make({ force: true });
    truncateSync(file("inventory.msgpack"), 1 << 30);
    const before = process.resourceUsage().maxRSS;
    expect(codeOf(() => readImage(dir))).to.equal("E_IMAGE_DAMAGED");
    expect(process.resourceUsage().maxRSS - before, "KiB more").to.be.below(256 << 10);
    make({ force: true });
  });

  it("are refused with a file missing, too short or too long", () => {
    for (const name of ["tasks.msgpack", "core-100.elf"]) {
      make({ force: true });
      truncateSync(file(name), 10);
      expect(codeOf(() => readImage(dir))).to.equal("E_IMAGE_DAMAGED");
      make({ force: true });
      truncateSync(file(name), 100000);
      expect(codeOf(() => readImage(dir))).to.equal("E_IMAGE_DAMAGED");
      make({ force: true });
      rmSync(file(name));
      expect(codeOf(() => readImage(dir))).to.equal("E_IMAGE_DAMAGED");
      make({ force: true });
    }
  });

  it("are refused when a newer crctl made them", () => {
    make();
    const resealed = (change: Record<string, unknown>): void => {
      const bytes = pack({ ...(unpack(readFileSync(file("inventory.msgpack"))) as object), ...change });
      seal(bytes);
      writeFileSync(file("inventory.msgpack"), bytes);
    };
    resealed({ requires: ["time-travel"] });
    expect(codeOf(() => readImage(dir))).to.equal("E_IMAGE_VERSION");
    resealed({ requires: [], version: 2 });
    expect(codeOf(() => readImage(dir))).to.equal("E_IMAGE_VERSION");
    resealed({ version: 1, files: [{ name: "../../etc/passwd", size: 1n }] });
    expect(codeOf(() => readImage(dir))).to.equal("E_IMAGE_DAMAGED");
  });

  it("are refused when they contradict themselves", () => {
    const [root, zombie] = TASKS as [Task, Task];
    const bad: [string, { tasks?: Task[]; files?: OpenFile[] }][] = [
      ["a child before its parent", { tasks: [zombie, root] }],
      ["a task twice", { tasks: [root, root] }],
      ["a stranger", { tasks: [root, { ...zombie, ppid: 5 }] }],
      ["no task", { tasks: [] }],
      ["a zombie without status", { tasks: [root, { ...zombie, exitStatus: undefined as unknown as number }] }],
      ["a task without core", { tasks: [{ ...root, core: "core-7.elf" }] }],
      ["a descriptor twice", { tasks: [{ ...root, descriptors: [...root.descriptors, ...root.descriptors] }] }],
      ["a descriptor to nowhere", { tasks: [{ ...root, descriptors: [{ fd: 1, file: 9, cloexec: false }] }] }],
      ["a memfd to nowhere", { files: [{ id: 0, kind: "memfd", flags: 2, memory: 3, position: 0n }] }],
      ["a wrong id", { files: [{ ...FILES[0], id: 1 } as OpenFile] }],
      ["a wrong kind", { files: [{ id: 0, kind: "socket", flags: 0 } as unknown as OpenFile] }],
    ];
    for (const [what, parts] of bad) {
      make({ force: true, ...parts });
      expect(
        codeOf(() => readImage(dir)),
        what,
      ).to.equal("E_IMAGE_DAMAGED");
    }
  });
});
