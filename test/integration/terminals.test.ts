/** Pseudo-terminals whose master is in the tree, and sessions that they control. */

import { expect } from "chai";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmodSync, closeSync, constants, existsSync, openSync, readFileSync, readdirSync, readlinkSync, writeFileSync } from "node:fs";
import path from "node:path";

import { describeOutcome, must, mustFail, run } from "./lib/crctl.js";
import { newDirectory } from "./lib/directories.js";
import { remember } from "./lib/leftovers.js";
import { NOBODY, Nobody } from "./lib/nobody.js";
import { CRCTL, PROGRAMS, SCRIPTS } from "./lib/paths.js";
import { children, pidsOfTree, stateOf } from "./lib/procfs.js";
import { Program, Tree } from "./lib/program.js";
import { describeRows } from "./lib/scenario.js";
import { until } from "./lib/wait.js";

describeRows("terminals", [{ program: "pty_pair" }, { program: "pty_session" }, { program: "pty_unread" }]);

describe("terminals of others", () => {
  it("a number that is in use is a conflict, before anything is started", async () => {
    const program = await Program.start("pty_pair");
    const pids = pidsOfTree(program.pid);
    const image = program.newImage();
    await program.dump(image);
    await program.gone(pids);
    const other = await Program.start("pty_pair");
    const error = await mustFail("E_CONFLICT", 6, ["restore", "-d", "-D", image]);
    expect(JSON.stringify(error)).to.match(/the number \d+ is in use by task \d+ \(pty_pair\)/);
    await other.verify();
    await other.finish();
    await program.restore(image);
    await program.verify();
    await program.finish();
  });

  it("a slave that somebody else has open is refused", async () => {
    const program = await Program.start("pty_pair");
    const directory = `/proc/${program.pid}/fd`;
    const name = readdirSync(directory)
      .map((fd) => readlinkSync(`${directory}/${fd}`))
      .filter((link) => /^\/dev\/pts\/\d+$/.test(link))
      .sort((a, b) => a.localeCompare(b, "en", { numeric: true }))[0]; // the first that it made: the last one is locked
    if (name === undefined) throw new Error("it has no terminal open");
    const slave = openSync(name, constants.O_RDWR | constants.O_NOCTTY);
    try {
      const error = await mustFail("E_EXTERNAL", 4, ["dump", "-t", String(program.pid), "-D", program.newImage()]);
      expect(JSON.stringify(error)).to.match(/task \d+ \(.*\), which is not in the tree, has it open too/);
    } finally {
      closeSync(slave);
    }
    await program.cycle();
    await program.verify();
    await program.finish();
  });
});

describe("what the module tells of terminals", () => {
  async function told(...args: readonly string[]): Promise<number> {
    const outcome = await run(path.join(PROGRAMS, "ptydump"), args);
    expect(outcome.status, describeOutcome(outcome)).to.equal(0);
    return Number(outcome.stdout);
  }

  it("makes sense while others type, read, and throw away what is unread", async () => {
    expect(await told("used", "400")).to.equal(400);
  });

  it("takes no more memory than there is in them, however many descriptors lead there", async () => {
    expect(await told("many", "30000")).to.equal(30000);
  });
});
/** scripts/session.py, which tells whether its session still has its terminal. */
class Session {
  private constructor(readonly tree: Tree) {}

  static async start(options: { spare?: number; uid?: number } = {}): Promise<Session> {
    const directory = newDirectory();
    if (options.uid !== undefined) chmodSync(directory, 0o777);
    // the script may lie where only root comes
    const script = path.join(directory, "session.py");
    writeFileSync(script, readFileSync(path.join(SCRIPTS, "session.py")));
    chmodSync(script, 0o644);
    const args = [script, ...Session.files(directory), String(options.spare ?? 0)];
    const session = new Session(await Tree.command("/usr/bin/python3", args, { directory, ...options }));
    await until("the session to be up", () => existsSync(path.join(directory, "result.up")));
    return session;
  }

  static files(directory: string): [result: string, go: string] {
    return [path.join(directory, "result"), path.join(directory, "go")];
  }

  static async verify(directory: string): Promise<void> {
    const [result, go] = Session.files(directory);
    writeFileSync(go, "");
    await until("the session's word", () => existsSync(result));
    expect(readFileSync(result, "utf8")).to.equal("are you there?, good");
  }
}

describe("terminals, restored in other ways", () => {
  it("under new process ids", async () => {
    const { tree } = await Session.start();
    const image = tree.newImage();
    const pids = pidsOfTree(tree.pid);
    await tree.dump(image);
    await tree.gone(pids);
    const { stdout } = await must(["restore", "-d", "--new-pids", "--json", "-D", image]);
    tree.became((JSON.parse(stdout) as { pid: number }).pid);
    await Session.verify(tree.directory);
  });

  it("by a user without privilege", async () => {
    const nobody = await Nobody.enter();
    try {
      const { tree } = await Session.start({ uid: NOBODY });
      const image = tree.newImage();
      const pids = pidsOfTree(tree.pid);
      await must(["dump", "-t", String(tree.pid), "-D", image], nobody);
      await tree.gone(pids);
      const { stdout } = await must(["restore", "-d", "--new-pids", "--json", "-D", image], nobody);
      tree.became((JSON.parse(stdout) as { pid: number }).pid);
      await Session.verify(tree.directory);
    } finally {
      await nobody.leave();
    }
  });

  it("in the tree of a shell's job", async () => {
    const directory = newDirectory();
    const image = path.join(directory, "image");
    const typescript = path.join(directory, "typescript");
    const terminal = (command: string): ChildProcess =>
      spawn("script", ["-qefc", command, typescript], { cwd: directory, stdio: ["pipe", "ignore", "ignore"], detached: true });
    // terminals below its own are free when the second one is made
    const first = terminal(`bash -c 'python3 ${path.join(SCRIPTS, "session.py")} ${Session.files(directory).join(" ")} 3; true'; true`);
    remember(first.pid ?? 0);
    await until("the session to be up", () => existsSync(path.join(directory, "result.up")));
    const [shell] = children(first.pid ?? 0);
    const [job = 0] = children(shell ?? 0);
    await must(["dump", "-t", String(job), "-D", image, "--shell-job"]);
    await until("the job to be gone", () => stateOf(job) === undefined);
    const second = terminal(`${process.execPath} ${CRCTL} restore -D ${image} --shell-job`);
    remember(second.pid ?? 0);
    const ended = once(second, "exit");
    try {
      await Session.verify(directory);
    } catch (error) {
      throw new Error(`in the second terminal: ${readFileSync(typescript, "utf8")}`, { cause: error });
    }
    await ended;
  });

  it("several at once, each with the number that it had", async () => {
    const sessions = [await Session.start(), await Session.start(), await Session.start()];
    const images = sessions.map(({ tree }) => tree.newImage());
    const pids = sessions.flatMap(({ tree }) => pidsOfTree(tree.pid));
    for (const [i, { tree }] of sessions.entries()) await tree.dump(images[i] ?? "");
    await until("them to be gone", () => pids.every((pid) => stateOf(pid) === undefined));
    const outcomes = await Promise.all(images.map((image) => must(["restore", "-d", "-D", image])));
    for (const { tree } of sessions) remember(tree.pid);
    for (const outcome of outcomes) expect(outcome.status, describeOutcome(outcome)).to.equal(0);
    for (const { tree } of sessions) await Session.verify(tree.directory);
  });

  it("a number that somebody has for a moment is waited for", async () => {
    const { tree } = await Session.start();
    const image = tree.newImage();
    const pids = pidsOfTree(tree.pid);
    await tree.dump(image);
    await tree.gone(pids);
    // a master without a slave, as a restore has it that wants a higher number
    const master = openSync("/dev/ptmx", constants.O_RDWR | constants.O_NOCTTY);
    let asked = false;
    const restore = must(["restore", "-d", "-D", image], {
      started: (pid) => {
        void until("crctl to wait for the number", () => {
          asked = waits(pid);
          return asked || stateOf(pid) === undefined;
        }).finally(() => closeSync(master));
      },
    });
    await restore;
    remember(tree.pid);
    expect(asked).to.equal(true);
    await Session.verify(tree.directory);
  });
});

/** The main thread of a crctl that pauses: it is in futex(2), without a busy loop of events. */
function waits(pid: number): boolean {
  try {
    const [call] = readFileSync(`/proc/${pid}/syscall`, "utf8").split(" ");
    return call === FUTEX;
  } catch {
    return false;
  }
}

/** its number */
const FUTEX = "202";
