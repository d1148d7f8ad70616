/** What the commands offer besides a plain dump and a detached restore. */

import { expect } from "chai";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, readdirSync, readlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { crctl, describeOutcome, must, mustFail, run } from "./lib/crctl.js";
import { remember } from "./lib/leftovers.js";
import { newDirectory } from "./lib/directories.js";
import { CRCTL } from "./lib/paths.js";
import { children, pidsOfTree, stateOf, viewTree } from "./lib/procfs.js";
import { Program, Tree } from "./lib/program.js";
import { withJournal } from "./lib/scenario.js";
import { until } from "./lib/wait.js";

describe("dump", () => {
  it("--leave-running: the tree goes on, and the image is whole", async () => {
    await withJournal(await Program.start("many", ["row", "3"]), async (program) => {
      const image = program.newImage();
      const before = viewTree(program.pid);
      await program.dump(image, ["--leave-running"]);
      await program.mustLookLike(before);
      await program.verify();
      await program.finish();
      await program.restore(image);
      await program.mustLookLike(before);
      await program.finish();
    });
  });

  it("--leave-running: neither the tree nor its parent notices", async () => {
    await withJournal(await Program.start("observed"), async (program) => {
      const [child] = children(program.pid);
      // the pipe's other end is the parent's, outside of what is dumped
      await must(["dump", "-t", String(child), "-D", program.newImage(), "--leave-running", "--shell-job"]);
      await program.verify();
      await program.finish();
    });
  });

  it("--leave-stopped: every task is stopped, and goes on with SIGCONT", async () => {
    await withJournal(await Program.start("many", ["chain", "3"]), async (program) => {
      const pids = pidsOfTree(program.pid);
      await program.dump(program.newImage(), ["--leave-stopped"]);
      expect(pids.map(stateOf)).to.deep.equal(pids.map(() => "T"));
      for (const pid of pids) process.kill(pid, "SIGCONT");
      await program.finish();
    });
  });

  it("a tree can be dumped after a dump was left running, over an image with --force", async () => {
    await withJournal(await Program.start("heap"), async (program) => {
      const image = program.newImage();
      await program.dump(image, ["--leave-running"]);
      await program.verify();
      await program.dump(image, ["--force"]);
      await program.gone([program.pid]);
      await program.restore(image);
      await program.finish();
    });
  });
});

describe("images", () => {
  it("one image restores any number of times, and is not changed by it", async () => {
    await withJournal(await Program.start("private_file"), async (program) => {
      const image = program.newImage();
      await program.dump(image);
      const sums = async (): Promise<string> => (await run("/bin/sh", ["-c", `cd ${image} && sha256sum *`])).stdout;
      const before = await sums();
      for (let time = 0; time < 3; time++) {
        await program.gone([program.pid]);
        await program.restore(image);
        process.kill(program.pid, "SIGKILL");
      }
      await program.gone([program.pid]);
      expect(await sums()).to.equal(before);
    });
  });

  it("a core file is one that other tools read", async () => {
    await withJournal(await Program.start("threads"), async (program) => {
      const image = program.newImage();
      await program.dump(image);
      const core = readdirSync(image).find((name) => name === `core-${program.pid}.elf`);
      expect(core, readdirSync(image).join(" ")).to.be.a("string");
      const { stdout, stderr } = await run("readelf", ["-W", "-h", "-l", "-n", path.join(image, core ?? "")]);
      expect(stderr).to.equal("");
      expect(stdout)
        .to.match(/Type:\s+CORE/)
        .and.to.match(/NT_PRSTATUS/)
        .and.to.match(/NT_AUXV/)
        .and.to.match(/NT_FILE/);
      // eight threads and the main one
      expect(stdout.match(/NT_PRSTATUS/g)).to.have.lengthOf(9);
    });
  });

  it("show tells people and programs what is in it", async () => {
    await withJournal(await Program.start("pipe_tree"), async (program) => {
      const pids = pidsOfTree(program.pid);
      const image = program.newImage();
      await program.dump(image);
      const people = await must(["show", image]);
      const programs = JSON.stringify(JSON.parse((await must(["show", image, "--json"])).stdout));
      for (const pid of pids) {
        expect(people.stdout).to.include(String(pid));
        expect(programs).to.include(String(pid));
      }
      expect(people.stdout).to.include("pipe_tree").and.to.not.include("\u001b[");
    });
  });

  it("restore --check prints the plan and starts nothing", async () => {
    await withJournal(await Program.start("ids"), async (program) => {
      const pids = pidsOfTree(program.pid);
      const image = program.newImage();
      await program.dump(image);
      await program.gone(pids);
      const { stdout } = await must(["restore", "-D", image, "--check"]);
      for (const pid of pids) expect(stdout).to.include(String(pid));
      expect(pids.map(stateOf)).to.deep.equal(pids.map(() => undefined));
    });
  });

  it("check finds nothing missing here", async () => {
    const outcome = await must(["check", "--json"]);
    expect(JSON.parse(outcome.stdout)).to.have.property("ok", true);
  });
});

/** crctl restore without -d, which stays. */
function attached(image: string, args: readonly string[] = []): ChildProcess {
  return spawn(process.execPath, [CRCTL, "restore", "-D", image, ...args], { stdio: ["ignore", "pipe", "pipe"] });
}

describe("restore without --detach", () => {
  /** A shell that ends with status 7 once there is a file "go", and with 9 after SIGTERM. */
  async function shell(): Promise<[Tree, string]> {
    const script = "trap 'exit 9' TERM; : >up; until [ -e go ]; do sleep 0.1; done; exit 7";
    const tree = await Tree.command("/bin/bash", ["-c", script]);
    await until("the shell to be up", () => existsSync(tree.path("up")));
    const image = tree.newImage();
    await tree.dump(image);
    await tree.gone([tree.pid]);
    return [tree, image];
  }

  async function end(child: ChildProcess): Promise<[number | null, NodeJS.Signals | null]> {
    return (await once(child, "exit")) as [number | null, NodeJS.Signals | null];
  }

  it("ends as the root task ends", async () => {
    const [tree, image] = await shell();
    await withJournal(tree, async () => {
      const restoring = attached(image);
      await until("the root to run again", () => stateOf(tree.pid) !== undefined);
      remember(tree.pid);
      expect(restoring.exitCode).to.equal(null);
      const ended = end(restoring);
      writeFileSync(tree.path("go"), "");
      expect(await ended).to.deep.equal([7, null]);
    });
  });

  it("passes signals on", async () => {
    const [tree, image] = await shell();
    await withJournal(tree, async () => {
      const restoring = attached(image);
      let said = "";
      restoring.stderr?.setEncoding("utf8").on("data", (text: string) => (said += text));
      await until("crctl to say that the tree runs", () => said.includes("restored"));
      remember(tree.pid);
      const ended = end(restoring);
      restoring.kill("SIGTERM");
      expect(await ended).to.deep.equal([9, null]);
      await tree.gone([tree.pid]);
    });
  });
});

describe("what lies outside of the tree", () => {
  /** Echoes lines from the parent, with standard input and output on pipes that lead out. */
  const ECHO = 'while read -r line; do echo "got $line"; done';

  it("pipes that lead out are the restoring command's own 0, 1 and 2, or what --inherit-fd names", async () => {
    const directory = newDirectory();
    const image = path.join(directory, "image");
    // Real pipes with cats at their other ends: what Node calls a pipe is a socket.
    const job = `cat | setsid bash -c 'echo $$ >pid.new; mv pid.new pid; ${ECHO}' | cat`;
    const before = spawn("/bin/bash", ["-c", job], { detached: true, stdio: ["pipe", "pipe", "ignore"], cwd: directory });
    remember(before.pid ?? 0);
    let said = "";
    before.stdout.setEncoding("utf8").on("data", (text: string) => (said += text));
    before.stdin.write("one\n");
    await until("the first answer", () => said === "got one\n");
    const pid = Number(readFileSync(path.join(directory, "pid"), "utf8"));
    const keys = [0, 1].map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
    for (const key of keys) expect(key).to.match(/^pipe:\[\d+\]$/);
    await must(["dump", "-t", String(pid), "-D", image]);
    await until("it to be gone", () => [undefined, "Z"].includes(stateOf(pid)));
    before.stdin.end();
    await until("its id to be free", () => stateOf(pid) === undefined);

    // its own 0 and 1
    const after = spawn(process.execPath, [CRCTL, "restore", "-D", image], { stdio: ["pipe", "pipe", "pipe"] });
    said = "";
    after.stdout.setEncoding("utf8").on("data", (text: string) => (said += text));
    after.stdin.write("two\n");
    await until("the second answer", () => said === "got two\n");
    remember(pid);
    const ended = once(after, "exit");
    after.stdin.end();
    expect((await ended)[0]).to.equal(0);

    // named: input from a file, output to another
    const { stdout } = await must(["show", image]);
    for (const key of keys) expect(stdout).to.include(key);
    writeFileSync(path.join(directory, "in"), "three\n");
    const named = await run("/bin/bash", [
      "-c",
      `cd ${directory}; exec ${process.execPath} ${CRCTL} restore -D ${image} --inherit-fd '${keys[0]}:3' --inherit-fd '${keys[1]}:4' 3<in 4>out`,
    ]);
    expect(named.status, describeOutcome(named)).to.equal(0);
    expect(readFileSync(path.join(directory, "out"), "utf8")).to.equal("got three\n");
  });

  it("standard input that nobody has the other end of any more is saved, with what is unread", async () => {
    const directory = newDirectory();
    const script = [
      "import os, time",
      'open("up", "w").close()',
      'while not os.path.exists("go"): time.sleep(0.05)',
      'text = b"".join(iter(lambda: os.read(0, 100), b""))',
      'open("out.new", "wb").write(text + b", and no more"); os.rename("out.new", "out")',
    ].join("\n");
    // a pipe of Node's is a pair of sockets
    const child = spawn("python3", ["-c", script], { detached: true, stdio: ["pipe", "ignore", "ignore"], cwd: directory });
    const pid = child.pid ?? 0;
    remember(pid);
    await until("the program", () => existsSync(path.join(directory, "up")));
    expect(readlinkSync(`/proc/${pid}/fd/0`)).to.match(/^socket:/);
    const closed = once(child.stdin, "close");
    child.stdin.end("unread", () => child.stdin.destroy());
    await closed;
    const image = path.join(directory, "image");
    await must(["dump", "-t", String(pid), "-D", image]);
    await until("the program to be gone", () => stateOf(pid) === undefined);
    await must(["restore", "-d", "-D", image]);
    writeFileSync(path.join(directory, "go"), "");
    await until("what it read", () => existsSync(path.join(directory, "out")));
    expect(readFileSync(path.join(directory, "out"), "utf8")).to.equal("unread, and no more");
  });

  /**
   * A process that has something in common with its parent, which is outside of the tree, by a Python expression; then both wait.
   * `headless`: that one goes on without its first thread.
   */
  async function sharer(what: string, headless?: "parent" | "child"): Promise<number> {
    const directory = newDirectory();
    const script = [
      "import ctypes, mmap, os, socket, threading, time",
      `shared = ${what}`,
      'who = "parent"',
      "if os.fork() == 0:",
      '    who = "child"',
      "    os.setsid()",
      '    open("pid.new", "w").write(str(os.getpid())); os.rename("pid.new", "pid")',
      `if who == ${JSON.stringify(headless ?? "")}:`,
      "    threading.Thread(target=time.sleep, args=(1000,)).start()",
      "    ctypes.CDLL(None).syscall(60, 0)", // exit(2), of this thread
      "time.sleep(1000)",
    ].join("\n");
    const parent = spawn("python3", ["-c", script], { detached: true, stdio: "ignore", cwd: directory });
    remember(parent.pid ?? 0);
    await until("the child", () => existsSync(path.join(directory, "pid")));
    const pid = Number(readFileSync(path.join(directory, "pid"), "utf8"));
    remember(pid);
    if (headless !== undefined) {
      const first = headless === "parent" ? (parent.pid ?? 0) : pid;
      await until("the first thread to exit", () => stateOf(first) === "Z");
    }
    return pid;
  }

  const SHARED: Readonly<Record<string, string>> = {
    "anonymous memory": "mmap.mmap(-1, 8192)",
    "a memfd": 'os.memfd_create("shared")',
    "a deleted file": '(f := open("gone", "wb+"), f.truncate(8192), mmap.mmap(f.fileno(), 8192), os.unlink("gone"))',
  };
  for (const [name, expression] of Object.entries(SHARED)) {
    it(`${name} shared with somebody else is refused`, async () => {
      const pid = await sharer(expression);
      const error = await mustFail("E_EXTERNAL", 4, ["dump", "-t", String(pid), "-D", path.join(newDirectory(), "image")]);
      expect(JSON.stringify(error)).to.match(/task \d+ \(python3\), which is not in the tree/);
      expect(stateOf(pid)).to.equal("S");
    });
  }

  /** That of which the list of a process' descriptors or mappings tells who has it. */
  const TOLD = ["shared memory", "memfd", "pseudo-terminal", "UDP socket"];
  const ALL = [...Object.values(SHARED), "os.openpty()", "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)"];
  for (const [name, headless] of [
    ["somebody else, whose first thread has exited,", "parent"],
    ["somebody else, by a tree whose first thread has exited,", "child"],
  ] as const) {
    it(`all that is shared with ${name} is refused`, async () => {
      const pid = await sharer(`(${ALL.join(", ")})`, headless);
      const error = await mustFail("E_EXTERNAL", 4, ["dump", "-t", String(pid), "-D", path.join(newDirectory(), "image")]);
      const problems = error.problems ?? [error];
      expect(problems.map(({ object }) => object)).to.include.members(TOLD);
      // memory of both sorts, one of which has no descriptor
      const paths = problems.flatMap(({ object, path: file }) => (object === "shared memory" ? [file] : []));
      expect(paths.join()).to.match(/zero/).and.to.match(/gone/);
      for (const problem of problems)
        expect(JSON.stringify(problem)).to.match(/(task \d+ \(python3\), which|a task that) is not in the tree/);
    });
  }

  it("a pipe that somebody else has, whose first thread has exited, leads out", async () => {
    const pid = await sharer("os.pipe()", "parent");
    const links = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
    const image = path.join(newDirectory(), "image");
    await must(["dump", "-t", String(pid), "-D", image, "--leave-running"]);
    const { stdout } = await must(["show", image]);
    for (const link of links.filter((name) => name.startsWith("pipe:"))) expect(stdout).to.include(`outside: ${link}`);
  });

  it("a job of a shell needs --shell-job", async () => {
    const directory = newDirectory();
    const image = path.join(directory, "image");
    const program = path.join(directory, "job");
    writeFileSync(program, ": >up; until [ -e go ]; do sleep 0.1; done; tty >tty; echo done >end");
    // script(1) makes a terminal; the shell in it leads the session, the job is its child
    const terminal = (command: string): ChildProcess =>
      spawn("script", ["-qec", command, "/dev/null"], { cwd: directory, stdio: ["pipe", "ignore", "ignore"], detached: true });
    const first = terminal(`bash ${program}; true`);
    remember(first.pid ?? 0);
    await until("the job to be up", () => existsSync(path.join(directory, "up")));
    const [shell] = children(first.pid ?? 0);
    const [job] = children(shell ?? 0);
    expect(job, "the job's process id").to.be.a("number");
    const pid = String(job);
    await mustFail("E_SESSION", 4, ["dump", "-t", pid, "-D", image]);
    expect(stateOf(job ?? 0)).to.be.oneOf(["S", "R", "D"]);
    await must(["dump", "-t", pid, "-D", image, "--shell-job"]);
    await until("the job to be gone", () => stateOf(job ?? 0) === undefined);
    await mustFail("E_SESSION", 4, ["restore", "-D", image]);

    const second = terminal(`${process.execPath} ${CRCTL} restore -D ${image} --shell-job`);
    await until("the job to run again", () => stateOf(job ?? 0) !== undefined);
    writeFileSync(path.join(directory, "go"), "");
    await once(second, "exit");
    expect(readFileSync(path.join(directory, "end"), "utf8")).to.equal("done\n");
    expect(readFileSync(path.join(directory, "tty"), "utf8")).to.match(/^\/dev\/pts\/\d+\n$/);
  });
});

describe("the command line", () => {
  it("explains itself", async () => {
    for (const args of [["--help"], ["dump", "--help"], ["restore", "--help"]]) {
      const outcome = await must(args);
      expect(outcome.stdout).to.include("crctl").and.to.include("--json");
    }
  });

  const WRONG: readonly (readonly string[])[] = [
    [],
    ["frobnicate"],
    ["dump", "-t", "-D", "x"],
    ["restore", "-D"],
    ["dump"],
    ["dump", "-t", "1"],
    ["dump", "-t", "abc", "-D", "x"],
    ["dump", "-t", "-5", "-D", "x"],
    ["dump", "-t", "1", "-D", "x", "--leave-runing"],
    ["dump", "-t", "1", "-D", "x", "-R", "-s"],
    ["restore"],
    ["restore", "-D", ""],
    ["restore", "-D", "x", "--inherit-fd", "nonsense"],
    ["restore", "-D", "x", "--inherit-fd", "pipe:[1]:99"],
  ];
  it("refuses wrong usage by name", async () => {
    for (const args of WRONG) {
      const outcome = await crctl(args);
      expect(outcome.status, describeOutcome(outcome)).to.equal(2);
      expect(outcome.stderr, describeOutcome(outcome))
        .to.include("E_USAGE")
        .and.to.not.match(/^\s+at /m);
    }
  });
});
