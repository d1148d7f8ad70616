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
import { checkSessions, ptysOf } from "../../src/dump/session.js";
import { collectTasks } from "../../src/dump/tasks.js";
import { CrctlError, type Problem } from "../../src/errors.js";
import type { DescriptorFact } from "../../src/image/elfcore.js";
import { DESCRIPTOR_WHAT, TERMINAL_FLAG } from "../../src/image/layout.js";
import type { OpenFile, ProcessLock } from "../../src/image/schema.js";
import { dumpDescription } from "../../src/kinds/dump.js";
import { parseLock, processLocks } from "../../src/kinds/locks.js";
import { MemoryTable } from "../../src/kinds/memory.js";
import { native } from "../../src/native.js";

interface Seen {
  files: Map<number, OpenFile>;
  /** descriptor: id of its description */
  ids: Map<number, number>;
  locks: readonly ProcessLock[];
  problems: readonly Problem[];
  warnings: readonly string[];
}

const children: ChildProcess[] = [];
let dir: string;

/** Runs Python until it says "up", and looks at it. Descriptors 0 and 1 are sockets of Node's, 2 is /dev/null. */
async function look(script: string, options: { sessions?: boolean; told?: readonly DescriptorFact[] } = {}): Promise<Seen> {
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
  const { files: found, tables } = collectDescriptors(tasks, new Map([[pid, options.told ?? []]]), problems);
  const contents = new Contents();
  const memory = new MemoryTable({ refuse: (problem) => problems.add(problem), contents });
  const context = new Context(found, pid, { problems, contents, memory, outsiders }, "refuse");
  const dumped = found.map((file) => dumpDescription(file, context));
  const saved = dumped.filter((file) => file !== undefined);
  if (options.sessions === true) checkSessions(tasks, ptysOf(saved), problems);
  const ids = new Map((tables.get(pid) ?? []).map(({ fd, file }) => [fd, file]));
  const files = new Map([...ids].flatMap(([fd, id]) => (dumped[id] === undefined ? [] : [[fd, dumped[id]] as const])));
  return { files, ids, locks: processLocks(found).get(pid) ?? [], problems: problemsOf(problems), warnings: problems.warnings };
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

  it("a pseudo-terminal: both sides, and the session that it controls", async () => {
    const script = `
import struct, termios
m, s = os.openpty(); os.dup2(m, 50); os.dup2(s, 51); os.close(m); os.close(s)
fcntl.ioctl(51, termios.TIOCSWINSZ, struct.pack("HHHH", 10, 20, 30, 40))
fcntl.ioctl(51, termios.TIOCSCTTY, 0)`;
    const ends = { fd: 50, what: DESCRIPTOR_WHAT.ENDS, value: 0n, data: Uint8Array.of(3, 0, 1, 1) };
    const told = [{ fd: 50, what: DESCRIPTOR_WHAT.TERMINAL, value: BigInt(TERMINAL_FLAG.STOPPED) }, ends];
    const { files, problems } = await look(script, { sessions: true, told });
    expect(problems).to.deep.equal([]);
    const [master, slave] = [files.get(50), files.get(51)];
    if (master?.kind !== "pty" || slave?.kind !== "pty") throw new Error("they are something else");
    expect([master.side, slave.side]).to.deep.equal(["master", "slave"]);
    expect(slave.pty).to.equal(master.pty);
    expect(slave.path).to.equal(`/dev/pts/${slave.pty.index}`);
    expect(slave.pty).to.deep.include({
      window: { rows: 10, columns: 20, width: 30, height: 40 },
      session: children.at(-1)?.pid,
      foreground: children.at(-1)?.pid,
      stopped: "character",
      hungUp: false,
    });
    expect(slave.pty.input.ends).to.deep.equal([3, 257]);
    const busy = await look(script, { told: [{ fd: 50, what: DESCRIPTOR_WHAT.TERMINAL, value: BigInt(TERMINAL_FLAG.BUSY) }] });
    expect(busy.problems.map(({ object, why }) => `${object} ${why}`).join()).to.match(/^pseudo-terminal .*half done/);
  });

  it("locks: of descriptions, and of the process, once each", async () => {
    const { files, locks, problems } = await look(`
a = os.open("locked", os.O_RDWR | os.O_CREAT); assert a == 3
fcntl.flock(a, fcntl.LOCK_SH); os.dup(a); fcntl.lockf(a, fcntl.LOCK_EX, 20, 10)
b = os.open("locked", os.O_RDONLY); fcntl.lockf(b, fcntl.LOCK_SH, 0, 100)
c = os.open("leased", os.O_RDONLY | os.O_CREAT); fcntl.fcntl(c, fcntl.F_SETLEASE, fcntl.F_RDLCK)`);
    expect(problems).to.deep.equal([]);
    expect(files.get(3)?.locks).to.deep.equal([{ type: "flock", write: false, start: 0n, length: 0n }]);
    expect(files.get(5)?.locks).to.equal(undefined);
    expect(files.get(6)?.locks).to.deep.equal([{ type: "lease", write: false, start: 0n, length: 0n }]);
    expect(files.get(6)?.owner?.pid).to.be.above(0);
    expect(locks).to.deep.equal([
      { fd: 3, write: true, start: 10n, length: 20n },
      { fd: 5, write: false, start: 100n, length: 0n },
    ]);
  });

  it("lines about locks that are not known are no locks", () => {
    expect(parseLock("1: FLOCK  ADVISORY  READ  412 fe:01:1573 0 EOF")).to.deep.equal({
      type: "flock",
      write: false,
      start: 0n,
      length: 0n,
    });
    expect(parseLock("2: OFDLCK ADVISORY  WRITE -1 fe:01:1573 9 9")).to.deep.equal({ type: "ofd", write: true, start: 9n, length: 1n });
    for (const line of [
      "1: POSIX  MANDATORY WRITE 412 fe:01:1573 0 EOF",
      "1: FLOCK  MSNFS     READ  412 fe:01:1573 0 EOF",
      "1: LEASE  BREAKING  READ 412 fe:01:1573 0 EOF",
      "1: LEASE  BREAKING  UNLCK 412 fe:01:1573 0 EOF",
      "1: DELEG  ACTIVE    READ 412 fe:01:1573 0 EOF",
    ])
      expect(parseLock(line), line).to.equal(undefined);
  });

  it("pidfds: of tasks of the tree, and of those that have been waited for", async () => {
    const { files, problems } = await look(`
os.pidfd_open(os.getpid(), os.O_NONBLOCK)
for wait in False, True:
    pid = os.fork()
    if pid == 0: os._exit(0)
    os.pidfd_open(pid)
    if wait: os.waitpid(pid, 0)
os.pidfd_open(os.getppid())`);
    const [own, zombie, gone] = [3, 4, 5].map((fd) => files.get(fd));
    if (own?.kind !== "pidfd" || zombie?.kind !== "pidfd" || gone?.kind !== "pidfd") throw new Error("no pidfd");
    expect(own.pid).to.be.above(0);
    expect(own.flags & 0o4000).to.equal(0o4000);
    expect(zombie.pid).to.be.above(own.pid);
    expect(gone.pid).to.equal(0);
    expect(problems.map(({ fd, object }) => [fd, object])).to.deep.equal([[6, "pidfd"]]);
    expect(problems[0]?.why).to.include(`process ${process.pid}, which is not in the tree`);
  });

  it("inotify: watches by name, ascending", async () => {
    const { files, problems } = await look(`
import ctypes
c = ctypes.CDLL(None)
assert c.inotify_init() == 3
os.mkdir("seen"); os.open("seen", os.O_DIRECTORY); os.close(os.open("seen/file", os.O_CREAT | os.O_RDWR)); os.open("seen/file", os.O_RDONLY)
assert c.inotify_add_watch(3, b"seen/file", 0x80000002) == 1
assert c.inotify_add_watch(3, b"seen", 0x100) == 2
assert c.inotify_init() == 6
c.inotify_add_watch(6, b"seen", 0x100); os.close(os.open("seen/new", os.O_CREAT | os.O_RDWR))
assert os.read(3, 100)`);
    const file = files.get(3);
    if (file?.kind !== "inotify") throw new Error("no inotify instance");
    expect(file.watches.map(({ wd, mask, identity }) => [wd, mask, path.relative(dir, identity.path)])).to.deep.equal([
      [1, 0x80000002, "seen/file"],
      [2, 0x100, "seen"],
    ]);
    expect(problems.map(({ fd, object }) => [fd, object])).to.deep.equal([[6, "inotify instance"]]);
    expect(problems[0]?.why).to.match(/have not been read/);
  });

  it("names what is not saved, all of it", async () => {
    const { problems } = await look(`
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16)
d = os.open("/dev/kmsg", os.O_RDONLY)
os.mkdir("gone"); os.chdir("gone"); os.rmdir("../gone")`);
    const objects = problems.map(({ object }) => object);
    expect(objects).to.include.members(["netlink socket", "device", "working directory"]);
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
    checkSessions(collectTasks(native().listTree(child.pid ?? 0), found), new Set(), found);
    expect(problemsOf(found).map(({ code, object }) => [code, object])).to.deep.include(["E_SESSION", "session"]);
  });
});
