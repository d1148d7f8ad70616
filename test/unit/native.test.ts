import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect } from "chai";

import { duplicateOf } from "../../src/kinds/duplicates.js";
import { native, type FrozenTree } from "../../src/native.js";
import { readDescriptors } from "../../src/proc/descriptors.js";
import { parseStat } from "../../src/proc/stat.js";
import { statusNumber } from "../../src/proc/status.js";

const started = new Set<ChildProcess>();

/** A shell with its children, that says "up" once they are there; not our child, as our targets never are. */
async function tree(script: string): Promise<number> {
  const child = spawn("bash", ["-c", `setsid bash -c '${script}' & echo $!; wait`], { stdio: ["ignore", "pipe", "ignore"] });
  started.add(child);
  let text = "";
  for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
    text += chunk.toString();
    if (/^up$/m.test(text) && /^\d+$/m.test(text)) break;
  }
  const pid = Number(/^\d+$/m.exec(text)?.[0] ?? NaN);
  if (!(pid > 1)) throw new Error(`the shell said: ${text}`);
  roots.add(pid);
  return pid;
}
const roots = new Set<number>();

function state(pid: number): string {
  return parseStat(readFileSync(`/proc/${pid}/stat`, "utf8")).state;
}

function tids(frozen: FrozenTree): number[] {
  return frozen.tasks.flatMap((task) => task.threads);
}

function freezeCode(pid: number, timeoutMs = 2000): string {
  try {
    native().thaw(tids(native().freezeTree(pid, timeoutMs)));
  } catch (error) {
    return error instanceof Error && "reason" in error ? String(error.reason) : "other";
  }
  return "none";
}

/** Half a minute is for machines that are busy with something else. */
async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 3000; i++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`it does not come to that:\n${[...roots].map(describeTree).join("\n")}`);
}

/** What a tree looks like that does not come to where it should. */
function describeTree(root: number): string {
  const pids = native()
    .listTree(root)
    .map(({ pid }) => pid);
  return native()
    .readTexts(pids.map((pid) => `/proc/${pid}/status`))
    .map((text, i) => (typeof text === "string" ? text.replace(/^(?!Pid|State|Tracer|Sig|Shd).*\n/gm, "") : `${pids[i]} has ended`))
    .join("\n");
}

describe("addon", () => {
  afterEach(() => {
    for (const root of roots) {
      for (const { pid } of native().listTree(root).reverse()) {
        try {
          process.kill(pid, "SIGKILL");
        } catch {
          // it has ended
        }
      }
    }
    roots.clear();
    started.forEach((child) => child.kill("SIGKILL"));
    started.clear();
  });

  describe("freezing", function () {
    this.timeout(20000);

    it("stops all tasks and threads, and lets them go", async () => {
      const root = await tree("sleep 60 & (sleep 60 & wait) & echo up; wait");
      await until(() => native().listTree(root).length === 4);
      const frozen = native().freezeTree(root, 5000);
      expect(frozen.tasks.map((task) => task.pid)).to.have.lengthOf(4);
      expect(frozen.tasks[0]).to.include({ pid: root, zombie: false, stopped: false });
      for (const task of frozen.tasks) expect(state(task.pid)).to.equal("t");
      // parents before their children
      frozen.tasks
        .slice(1)
        .forEach((task, i) => expect(frozen.tasks.slice(0, i + 1).some((parent) => parent.pid === task.ppid)).to.equal(true));
      native().thaw(tids(frozen));
      for (const task of frozen.tasks) {
        await until(() => state(task.pid) !== "t");
        expect(statusNumber(readFileSync(`/proc/${task.pid}/status`, "utf8"), "TracerPid")).to.equal(0);
      }
      expect(
        native()
          .listTree(root)
          .map((task) => task.pid),
      ).to.have.members(frozen.tasks.map((task) => task.pid));
    });

    it("catches forks under way", async () => {
      const root = await tree("echo up; while :; do (exec true); done");
      for (let i = 0; i < 50; i++) {
        const frozen = native().freezeTree(root, 5000);
        for (const task of frozen.tasks) if (!task.zombie) expect(state(task.pid)).to.be.oneOf(["t", "Z"]);
        const again = native()
          .listTree(root)
          .map((task) => task.pid);
        expect(again).to.have.members(frozen.tasks.map((task) => task.pid));
        native().thaw(tids(frozen));
      }
    });

    it("knows stopped tasks and zombies", async () => {
      const root = await tree('sleep 60 & kill -STOP $!; exec sh -c "(sleep 1; exit 3) & echo up; exec sleep 60"');
      await until(() =>
        native()
          .listTree(root)
          .some(({ pid, ppid }) => ppid === root && state(pid) === "Z"),
      );
      const frozen = native().freezeTree(root, 5000);
      expect(frozen.tasks.map(({ zombie, stopped }) => ({ zombie, stopped })).slice(1)).to.deep.equal([
        { zombie: false, stopped: true },
        { zombie: true, stopped: false },
      ]);
      native().thaw(tids(frozen));
      const sleeper = frozen.tasks[1]?.pid ?? 0;
      await until(() => state(sleeper) === "T");
    });

    it("loses no signal", async () => {
      const dir = mkdtempSync(path.join(tmpdir(), "crctl-signals-"));
      const log = path.join(dir, "log");
      try {
        writeFileSync(log, "");
        const root = await tree(`trap "echo x >>${log}" USR1; echo up; while :; do sleep 0.01; done`);
        let sent = 0;
        for (let i = 0; i < 40; i++) {
          process.kill(root, "SIGUSR1");
          sent++;
          const frozen = native().freezeTree(root, 5000);
          native().thaw(tids(frozen));
          await until(() => statSync(log).size === 2 * sent);
        }
      } finally {
        rmSync(dir, { recursive: true });
      }
    });

    it("ends a tree, and waits until its ids are free", async () => {
      const root = await tree("sleep 60 & sleep 60 & echo up; wait");
      const frozen = native().freezeTree(root, 5000);
      const pids = frozen.tasks.map((task) => task.pid);
      expect(
        native()
          .killFrozen(pids, tids(frozen), 5000)
          .filter((pid) => pid !== root),
      ).to.deep.equal([]);
    });

    it("waits for those whose parent takes its time, also if the root is gone first", async () => {
      const parent = await tree("sleep 60 & echo up; wait");
      const orphan = native().listTree(parent)[1]?.pid ?? 0;
      const root = await tree("echo up; exec sleep 60"); // a child of ours, which is waited for at once
      process.kill(parent, "SIGSTOP"); // it waits for nobody
      await until(() => state(parent) === "T");
      const frozen = [native().freezeTree(root, 5000), native().freezeTree(orphan, 5000)];
      started.add(spawn("bash", ["-c", `sleep 0.3; kill -CONT ${parent}`], { stdio: "ignore" }));
      expect(native().killFrozen([root, orphan], frozen.flatMap(tids), 5000)).to.deep.equal([]);
    });

    it("leaves a tree stopped", async () => {
      const root = await tree("sleep 60 & echo up; wait");
      const frozen = native().freezeTree(root, 5000);
      native().stopAndThaw(
        frozen.tasks.map((task) => task.pid),
        tids(frozen),
        2000,
      );
      for (const { pid } of frozen.tasks) expect(state(pid)).to.equal("T");
    });

    it("says why it cannot, and then all goes on", async () => {
      expect(freezeCode(4194303)).to.equal("vanished");
      const root = await tree("sleep 60 & echo up; wait");
      const [, sleeper] = native().listTree(root);
      const tracer = spawn("strace", ["-qq", "-o", "/dev/null", "-p", String(sleeper?.pid)], { stdio: "ignore" });
      started.add(tracer);
      await until(() => statusNumber(readFileSync(`/proc/${sleeper?.pid}/status`, "utf8"), "TracerPid") === tracer.pid);
      expect(freezeCode(root)).to.equal("traced");
      await until(() => state(root) === "S");
    });
  });

  it("looks into a pipe without taking anything out", async () => {
    const child = spawn("bash", ["-c", "exec 3< <(printf %s one; printf two; sleep 60); sleep 0.2; echo up; exec sleep 60"], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    started.add(child);
    await once(child.stdout, "data");
    for (let i = 0; i < 2; i++) {
      const fd = duplicateOf({ pid: child.pid ?? 0, via: child.pid ?? 0, fd: 3 });
      const pipe = native().peekPipe(fd);
      closeSync(fd);
      expect(pipe.capacity).to.equal(65536);
      expect(Buffer.concat(pipe.chunks).toString()).to.equal("onetwo");
    }
    spawnSync("pkill", ["-P", String(child.pid)]);
  });

  it("copies with holes", () => {
    const dir = mkdtempSync(path.join(tmpdir(), "crctl-copy-"));
    try {
      const from = openSync(path.join(dir, "from"), "w+");
      writeSync(from, "head", 0);
      writeSync(from, "tail", (1 << 20) + 100);
      ftruncateSync(from, 4 << 20);
      const to = openSync(path.join(dir, "to"), "w+");
      const { size, dataBytes } = native().copySparse(from, to);
      expect(size).to.equal(4n << 20n);
      expect(dataBytes < 1n << 20n).to.equal(true);
      expect(readFileSync(path.join(dir, "to")).equals(readFileSync(path.join(dir, "from")))).to.equal(true);
      const copy = openSync(path.join(dir, "range"), "w+");
      expect(native().copyRange(from, copy, (1n << 20n) + 100n, 4n)).to.equal(4n);
      expect(native().copyRange(from, copy, 4n << 20n, 100n)).to.equal(0n);
      const bytes = Buffer.alloc(8);
      expect(readSync(copy, bytes, 0, 8, 0)).to.equal(4);
      expect(bytes.subarray(0, 4).toString()).to.equal("tail");
      [from, to, copy].forEach((fd) => closeSync(fd));
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  it("finds shared open file descriptions", () => {
    const own = openSync("/dev/null", "r");
    const other = openSync("/dev/null", "r");
    try {
      const copy = duplicateOf({ pid: process.pid, via: process.pid, fd: own });
      const fds = [own, other, copy, other, own];
      const same = native().kcmpFiles(
        fds.map(() => process.pid),
        fds,
        fds.map(() => 0),
      );
      expect(same).to.deep.equal([0, 1, 0, 1, 0]);
      // what is in different buckets is not compared
      expect(
        native().kcmpFiles(
          fds.map(() => process.pid),
          fds,
          [0, 1, 2, 3, 4],
        ),
      ).to.deep.equal([0, 1, 2, 3, 4]);
      closeSync(copy);
    } finally {
      closeSync(own);
      closeSync(other);
    }
  });

  it("finds what a process has whose first thread has exited", async () => {
    const script = [
      "import ctypes, mmap, os, threading",
      "ends = os.pipe(); hidden = os.memfd_create('x'); shared = mmap.mmap(-1, 4096)",
      "threading.Thread(target=lambda: os._exit(len(os.read(0, 1)))).start()",
      "os.write(1, b'up')",
      "ctypes.CDLL(None).syscall(60, 0)", // exit(2), of this thread
    ].join("\n");
    const child = spawn("python3", ["-c", script], { stdio: ["pipe", "pipe", "ignore"] });
    started.add(child);
    await once(child.stdout, "data");
    const pid = child.pid ?? 0;
    await until(() => state(pid) === "Z");
    const records = readDescriptors(pid);
    const pipes = records.map(({ link }) => String(link)).filter((link) => link.startsWith("pipe:["));
    expect(pipes).to.have.lengthOf.at.least(2);
    expect(records.map(({ info }) => typeof info)).to.not.include("number");
    expect(native().holders([pid], ["pipe:["])).to.deep.equal(pipes.map((link) => ({ pid, link })));
    const [memfd] = native().deletedHolders([pid]);
    expect(memfd).to.include({ pid });
    expect(native().fileHolders([pid], memfd?.dev ?? 0n)).to.deep.equal([{ pid, ino: memfd?.ino }]);
    expect(
      native()
        .sharedMemory([pid])
        .map(({ writable, sysv }) => ({ writable, sysv })),
    ).to.deep.equal([{ writable: true, sysv: false }]);
    child.stdin.end();
    await once(child, "exit");
    expect(native().holders([pid], [""])).to.deep.equal([]);
  });

  it("reads many files, links and inodes, and tells which it cannot", () => {
    const [text, missing] = native().readTexts(["/proc/self/comm", "/proc/self/no"]);
    expect(text).to.equal(readFileSync("/proc/self/comm", "utf8"));
    expect(missing).to.equal(-2);
    expect(native().readLinks(["/proc/self/cwd", "/proc/self"])).to.deep.equal([process.cwd(), String(process.pid)]);
    const [found, gone] = native().stats(["/dev/null", "/nowhere"], true);
    expect(found).to.include({ rdev: 259n, nlink: 1 });
    expect(gone).to.equal(-2);
  });

  it("reports system calls as Node does", () => {
    expect(() => native().listNumbers("/nowhere"))
      .to.throw(/ENOENT/)
      .with.property("syscall", "opendir");
    expect(() => native().kcmp(process.pid, 4194303, 0, 0, 0))
      .to.throw(/ESRCH/)
      .with.property("code", "ESRCH");
  });
});
