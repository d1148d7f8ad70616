/** What the dump halves of kinds make of the descriptors of a real process; neither module nor freeze is needed for that. */

import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect } from "chai";

import { Contents } from "../../src/dump/contents.js";
import { Context } from "../../src/dump/context.js";
import { collectDescriptors } from "../../src/dump/descriptors.js";
import { Outsiders } from "../../src/dump/outside.js";
import { Problems } from "../../src/dump/problems.js";
import { checkSessions } from "../../src/dump/session.js";
import { collectTasks } from "../../src/dump/tasks.js";
import { CrctlError, type Problem } from "../../src/errors.js";
import type { OpenFile } from "../../src/image/schema.js";
import { dumpDescription } from "../../src/kinds/dump.js";
import { MemoryTable } from "../../src/kinds/memory.js";
import { native } from "../../src/native.js";

interface Seen {
  files: Map<number, OpenFile>;
  /** descriptor: id of its description */
  ids: Map<number, number>;
  problems: readonly Problem[];
  warnings: readonly string[];
}

const children: ChildProcess[] = [];
let dir: string;

/** Runs Python until it says "up", and looks at it. Descriptors 0 and 1 are sockets of Node's, 2 is /dev/null. */
async function look(script: string, options: { sessions?: boolean } = {}): Promise<Seen> {
  const source = `import os, sys, socket, fcntl\nos.chdir(${JSON.stringify(dir)})\n${script}\nos.write(1, b"up\\n")\nos.read(0, 1)\n`;
  const child = spawn("python3", ["-c", source], { stdio: ["pipe", "pipe", "ignore"], detached: true });
  children.push(child);
  await new Promise<void>((resolve, reject) => {
    child.stdout.once("data", () => resolve());
    child.once("exit", (status) => reject(new Error(`python3 ended with ${status}`)));
  });
  const pid = child.pid ?? 0;
  const problems = new Problems();
  const outsiders = new Outsiders(pid);
  const tree = native().listTree(pid);
  const tasks = collectTasks(tree, problems);
  outsiders.except(new Set(tree.map((task) => task.pid)));
  if (options.sessions === true) checkSessions(tasks, problems);
  const { files: found, tables } = collectDescriptors(tasks, problems);
  const contents = new Contents();
  const memory = new MemoryTable({ refuse: (problem) => problems.add(problem), contents: (stat, source2) => contents.of(stat, source2) });
  const context = new Context(found, pid, { problems, contents, memory, outsiders });
  const dumped = found.map((file) => dumpDescription(file, context));
  const ids = new Map((tables.get(pid) ?? []).map(({ fd, file }) => [fd, file]));
  const files = new Map([...ids].flatMap(([fd, id]) => (dumped[id] === undefined ? [] : [[fd, dumped[id]] as const])));
  return { files, ids, problems: problemsOf(problems), warnings: problems.warnings };
}

function problemsOf(problems: Problems): readonly Problem[] {
  try {
    problems.check();
  } catch (error) {
    if (error instanceof CrctlError) return error.problems;
    throw error;
  }
  return [];
}

describe("dump: descriptors", function () {
  this.timeout(20000);

  before(() => {
    dir = mkdtempSync(path.join(tmpdir(), "crctl-kinds-"));
  });
  afterEach(() => {
    children.splice(0).forEach((child) => child.kill("SIGKILL"));
  });
  after(() => rmSync(dir, { recursive: true }));

  it("regular files: position, flags, shared descriptions", async () => {
    const { files, ids, problems } = await look(`
a = os.open("a", os.O_RDWR | os.O_CREAT | os.O_APPEND); assert a == 3
os.write(a, b"x" * 100); os.lseek(a, 7, 0)
os.dup2(a, 10); os.open("a", os.O_RDONLY); os.open("a", os.O_RDONLY)`);
    expect(problems).to.deep.equal([]);
    const file = files.get(3);
    expect(file).to.include({ kind: "regular", position: 7n });
    expect(file?.kind === "regular" && file.identity).to.include({ path: path.join(dir, "a"), size: 100n, deleted: false });
    expect((file?.flags ?? 0) & 0o2003).to.equal(0o2002);
    expect(ids.get(10)).to.equal(ids.get(3));
    expect(new Set([3, 4, 5].map((fd) => ids.get(fd))).size).to.equal(3);
  });

  it("deleted files: contents, once for each inode", async () => {
    const { files, problems, warnings } = await look(`
os.open("b", os.O_RDWR | os.O_CREAT); os.write(3, b"y" * 5000); os.open("b", os.O_RDONLY); os.unlink("b")
os.open(".", os.O_TMPFILE | os.O_RDWR)`);
    expect(problems).to.deep.equal([]);
    expect(warnings).to.deep.equal([]);
    const [first, second, third] = [3, 4, 5].map((fd) => files.get(fd));
    if (first?.kind !== "regular" || second?.kind !== "regular" || third?.kind !== "regular") throw new Error("not regular");
    expect(first.identity).to.include({ path: path.join(dir, "b"), deleted: true });
    expect(first.data).to.deep.equal({ name: "data-0.img", size: 5000n });
    expect(second.data).to.deep.equal(first.data);
    expect(second.ghost).to.equal(first.ghost);
    expect(third.ghost).to.not.equal(first.ghost);
  });

  it("files that were renamed, replaced, or have another name", async () => {
    const { files, warnings } = await look(`
os.open("c", os.O_RDWR | os.O_CREAT); os.rename("c", "c2")
os.open("d", os.O_RDWR | os.O_CREAT); os.link("d", "d2"); os.unlink("d")
os.open("e", os.O_RDWR | os.O_CREAT); os.unlink("e"); os.close(os.open("e", os.O_RDWR | os.O_CREAT))
os.mkdir("sub"); os.open("f", os.O_RDWR | os.O_CREAT); os.link("f", "sub/f"); os.unlink("f")`);
    const identities = [3, 4, 5, 7].map((fd) => {
      const file = files.get(fd);
      return file?.kind === "regular" ? [path.relative(dir, file.identity.path), file.identity.deleted] : undefined;
    });
    expect(identities.slice(0, 3)).to.deep.equal([
      ["c2", false],
      ["d2", false],
      ["e", true],
    ]);
    const moved = files.get(6);
    expect(moved?.kind === "regular" && moved.identity.deleted).to.equal(true);
    expect(warnings).to.have.lengthOf(1);
    expect(warnings[0]).to.include("still linked");
  });

  it("directories, O_PATH, devices", async () => {
    const { files, problems } = await look(`
os.open(".", os.O_DIRECTORY); os.symlink("nowhere", "link")
os.open("link", os.O_PATH | os.O_NOFOLLOW); os.open("/dev/zero", os.O_RDWR); os.open("/dev/urandom", os.O_RDONLY)`);
    expect(problems).to.deep.equal([]);
    expect(files.get(2)).to.include({ kind: "device", major: 1, minor: 3 });
    expect(files.get(3)).to.include({ kind: "directory" });
    expect(files.get(4)).to.include({ kind: "path" });
    expect(files.get(5)).to.include({ kind: "device", major: 1, minor: 5 });
    expect(files.get(6)).to.include({ kind: "device", minor: 9 });
  });

  it("pipes: what is in them, packets, ends that nobody holds", async () => {
    const { files, problems } = await look(`
r, w = os.pipe(); os.write(w, b"one"); os.write(w, b"two")
p, q = os.pipe2(os.O_DIRECT); os.write(q, b"1"); os.write(q, b"22"); os.write(q, b"333")
x, y = os.pipe(); os.write(y, b"left"); os.close(y)
fcntl.fcntl(r, 1031, 1 << 20)`);
    expect(problems).to.deep.equal([]);
    const contents = (fd: number): unknown => {
      const file = files.get(fd);
      return file?.kind === "pipe" ? file.pipe.chunks.map(({ data, packet }) => [Buffer.from(data).toString(), packet]) : file;
    };
    expect(contents(3)).to.deep.equal([["onetwo", false]]);
    expect(contents(4)).to.deep.equal([["onetwo", false]]);
    expect(contents(5)).to.deep.equal([
      ["1", true],
      ["22", true],
      ["333", true],
    ]);
    expect(contents(7)).to.deep.equal([["left", false]]);
    const large = files.get(4);
    expect(large?.kind === "pipe" && large.pipe.capacity).to.equal(1 << 20);
  });

  it("a pipe of which only the write end is left", async () => {
    const { files } = await look("r, w = os.pipe(); os.write(w, b'lost'); os.close(r)");
    const end = files.get(4);
    expect(end?.kind === "pipe" && Buffer.from(end.pipe.chunks[0]?.data ?? []).toString()).to.equal("lost");
  });

  it("FIFOs", async () => {
    const { files, problems } = await look("os.mkfifo('fifo'); f = os.open('fifo', os.O_RDWR | os.O_NONBLOCK); os.write(f, b'data')");
    expect(problems).to.deep.equal([]);
    const fifo = files.get(3);
    if (fifo?.kind !== "fifo") throw new Error("not a FIFO");
    expect(fifo.identity.path).to.equal(path.join(dir, "fifo"));
    expect(Buffer.from(fifo.pipe.chunks[0]?.data ?? []).toString()).to.equal("data");
  });

  it("memfds, with their seals", async () => {
    const { files, problems } = await look(
      "m = os.memfd_create('a name', os.MFD_ALLOW_SEALING); os.truncate(m, 4096); fcntl.fcntl(m, 1033, 2)",
    );
    expect(problems).to.deep.equal([]);
    expect(files.get(3)).to.include({ kind: "memfd", memory: 0, position: 0n });
  });

  it("standard descriptors that lead out", async () => {
    const { files, problems } = await look("pass");
    expect(problems).to.deep.equal([]);
    expect(files.get(0)).to.include({ kind: "external", what: "socket", standard: 0 });
    expect(files.get(1)).to.include({ kind: "external", what: "socket", standard: 1 });
  });

  it("names what is not saved, all of it", async () => {
    const { problems } = await look(`
import select
select.epoll(); s = socket.socket(); os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY)
f = open("locked", "w"); fcntl.flock(f, fcntl.LOCK_EX)
d = os.open("/dev/kmsg", os.O_RDONLY)
os.mkdir("gone"); os.chdir("gone"); os.rmdir("../gone")
keep = select.epoll()`);
    const objects = problems.map(({ object }) => object);
    expect(objects).to.include.members(["epoll instance", "socket", "device", "file lock", "working directory"]);
    for (const problem of problems) {
      expect(problem.code).to.equal("E_UNSUPPORTED");
      expect(problem).to.include.keys("pid", "comm", "why", "hint", "path");
    }
  });

  it("a session that is led by somebody else", async () => {
    const { problems } = await look("pass", { sessions: true });
    expect(problems).to.deep.equal([]);
    const child = spawn("sleep", ["60"], { stdio: "ignore" });
    children.push(child);
    const found = new Problems();
    checkSessions(collectTasks(native().listTree(child.pid ?? 0), found), found);
    expect(problemsOf(found).map(({ code, object }) => [code, object])).to.deep.include(["E_SESSION", "session"]);
  });
});
