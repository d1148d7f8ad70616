/** Bad input and bad luck: one clear message, its own exit class, and the tree goes on unharmed. */

import { expect } from "chai";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import path from "node:path";
import { crctl, describeOutcome, must, mustFail } from "./lib/crctl.js";
import { Nobody } from "./lib/nobody.js";
import { newDirectory } from "./lib/directories.js";
import { CRCTL } from "./lib/paths.js";
import { pidsOfTree, stateOf, viewTree } from "./lib/procfs.js";
import { Program } from "./lib/program.js";
import { withJournal } from "./lib/scenario.js";
import { until } from "./lib/wait.js";

let nobody: Nobody;

before(async () => {
  nobody = await Nobody.enter();
});

after(async () => {
  await nobody.leave();
});

function flipBit(file: string, offset: number): void {
  const bytes = readFileSync(file);
  bytes[offset] = (bytes[offset] ?? 0) ^ 0x10;
  writeFileSync(file, bytes);
}

function copyImage(from: string): string {
  const to = path.join(newDirectory(), "copy");
  mkdirSync(to);
  for (const name of readdirSync(from)) copyFileSync(path.join(from, name), path.join(to, name));
  return to;
}

describe("what cannot be dumped", () => {
  const image = (): string => path.join(newDirectory(), "image");

  it("no such process", async () => {
    const error = await mustFail("E_PID_NOT_FOUND", 3, ["dump", "-t", "4194000", "-D", image()]);
    expect(error.message).to.include("4194000");
  });

  it("a kernel thread", async () => {
    await mustFail("E_KERNEL_THREAD", 3, ["dump", "-t", "2", "-D", image()]);
  });

  it("itself", async () => {
    // the tree of this very process, which crctl is in
    await mustFail("E_SELF", 3, ["dump", "-t", String(process.pid), "-D", image()]);
  });

  it("a zombie", async () => {
    const program = await Program.start("zombies");
    const zombie = pidsOfTree(program.pid).find((pid) => stateOf(pid) === "Z");
    await mustFail("E_ZOMBIE", 3, ["dump", "-t", String(zombie), "-D", image()]);
    await program.finish();
  });

  it("a process that is being traced", async () => {
    const program = await Program.start("heap");
    const strace = spawn("strace", ["-qq", "-o", program.path("trace"), "-p", String(program.pid)], { stdio: "ignore" });
    await until("strace to be there", () => /^TracerPid:\t[1-9]/m.test(readFileSync(`/proc/${program.pid}/status`, "utf8")));
    const error = await mustFail("E_TRACED", 3, ["dump", "-t", String(program.pid), "-D", image()]);
    expect(JSON.stringify(error)).to.include("strace");
    strace.kill();
    await once(strace, "exit");
    await program.finish();
  });

  it("another user's process, by nobody", async () => {
    const program = await Program.start("heap");
    await mustFail("E_PERMISSION", 7, ["dump", "-t", String(program.pid), "-D", image()], nobody);
    await program.finish();
  });
});

describe("where an image cannot be written", () => {
  let program: Program;
  before(async () => {
    program = await Program.start("heap");
  });
  const refused = async (code: string, exitCode: number, directory: string): Promise<void> => {
    await mustFail(code, exitCode, ["dump", "-t", String(program.pid), "-D", directory]);
  };

  it("a file in place of the directory, a missing parent, a complete image", async () => {
    const directory = newDirectory();
    const file = path.join(directory, "file");
    writeFileSync(file, "mine");
    await refused("E_DIR", 9, file);
    expect(readFileSync(file, "utf8")).to.equal("mine");
    await refused("E_DIR", 9, path.join(directory, "no", "such", "parent"));

    const image = path.join(directory, "image");
    await program.dump(image, ["--leave-running"]);
    const inventory = readFileSync(path.join(image, "inventory.msgpack"));
    await refused("E_DIR_IN_USE", 9, image);
    expect(readFileSync(path.join(image, "inventory.msgpack")).equals(inventory)).to.equal(true);
    await program.verify();
    await program.finish();
  });
});

describe("a dump that is ended half-way", () => {
  /** Starts a dump, and calls back as soon as the tree is frozen. */
  async function frozen(program: Program, image: string, signal: NodeJS.Signals): Promise<[number | null, NodeJS.Signals | null]> {
    const dump = spawn(process.execPath, [CRCTL, "dump", "-t", String(program.pid), "-D", image], { stdio: "ignore" });
    const ended = once(dump, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
    await until("the tree to be frozen", () => stateOf(program.pid) === "t" || dump.exitCode !== null);
    dump.kill(signal);
    return ended;
  }

  for (const signal of ["SIGKILL", "SIGINT", "SIGTERM"] as const) {
    it(`by ${signal}: the tree goes on, and what there is is no image`, async () => {
      await withJournal(await Program.start("large", ["48"]), async (program) => {
        const before = viewTree(program.pid);
        const image = program.newImage();
        const [status, by] = await frozen(program, image, signal);
        if (signal === "SIGKILL") expect(by).to.equal(signal);
        else expect(status).to.equal(signal === "SIGINT" ? 130 : 143);
        await program.mustLookLike(before);
        expect(existsSync(path.join(image, "inventory.msgpack"))).to.equal(false);
        await program.verify();
        await program.finish();
      });
    });
  }
});

describe("what cannot be restored", () => {
  let program: Program;
  let image: string;
  let pids: number[];
  before(async () => {
    // one task, with a descriptor and shared memory: an image with a file of each kind
    program = await Program.start("shared_file");
    image = program.newImage();
    pids = pidsOfTree(program.pid);
    await program.dump(image);
    await program.gone(pids);
  });
  afterEach(() => {
    expect(pids.map(stateOf), "something of the tree is there").to.deep.equal(pids.map(() => undefined));
  });

  it("an empty directory, a foreign one, a missing one, a file", async () => {
    const directory = newDirectory();
    await mustFail("E_NO_IMAGE", 5, ["restore", "-D", directory]);
    writeFileSync(path.join(directory, "letter.txt"), "Dear Sir or Madam");
    await mustFail("E_NO_IMAGE", 5, ["restore", "-D", directory]);
    await mustFail("E_NO_IMAGE", 5, ["restore", "-D", path.join(directory, "missing")]);
    await mustFail("E_NO_IMAGE", 5, ["restore", "-D", path.join(directory, "letter.txt")]);
    await mustFail("E_NO_IMAGE", 5, ["show", directory]);
  });

  /** One way to spoil an image: it must be seen before anything is started. */
  async function spoilt(what: string, spoil: (copy: string) => void): Promise<void> {
    const copy = copyImage(image);
    spoil(copy);
    const outcome = await crctl(["restore", "-d", "--json", "-D", copy]);
    expect(outcome.status, `${what}\n${describeOutcome(outcome)}`).to.equal(5);
    const { error } = JSON.parse(outcome.stdout) as { error: { code: string; message: string } };
    expect(error.code, what).to.be.oneOf(["E_IMAGE_INCOMPLETE", "E_IMAGE_DAMAGED", "E_IMAGE_VERSION"]);
    rmSync(copy, { recursive: true });
  }

  it("each file of the image in turn: missing", async () => {
    for (const name of readdirSync(image)) {
      if (name === "inventory.msgpack") continue; // without it, it is no image: see above
      await spoilt(`${name} missing`, (copy) => rmSync(path.join(copy, name)));
    }
  });

  it("each file of the image in turn: cut short", async () => {
    for (const name of readdirSync(image)) {
      await spoilt(`${name} cut`, (copy) => truncateSync(path.join(copy, name), statSync(path.join(copy, name)).size - 1));
    }
  });

  it("one flipped bit, in each metadata file and in the head of a core", async () => {
    for (const name of readdirSync(image)) {
      if (name.startsWith("data-")) continue;
      const size = statSync(path.join(image, name)).size;
      for (const offset of name.startsWith("core-") ? [5, 0x60, 0x400] : [Math.floor(size / 2)]) {
        await spoilt(`${name} flipped at ${offset}`, (copy) => flipBit(path.join(copy, name), offset));
      }
    }
  });

  it("by nobody", async () => {
    await mustFail("E_PERMISSION", 7, ["restore", "-d", "-D", image], nobody);
  });
});

describe("a process id in use", () => {
  it("is named, with who has it, before anything is started", async () => {
    const program = await Program.start("many", ["row", "2"]);
    const image = program.newImage();
    await program.dump(image, ["--leave-running"]);
    const error = await mustFail("E_PID_IN_USE", 6, ["restore", "-d", "-D", image]);
    for (const pid of pidsOfTree(program.pid)) expect(JSON.stringify(error)).to.include(String(pid));
    expect(JSON.stringify(error)).to.include("many");
    await program.verify();
    await program.finish();
  });
});

describe("a restore that is killed half-way", () => {
  it("leaves nothing behind, and the image works afterwards", async () => {
    await withJournal(await Program.start("many", ["row", "30"]), async (program) => {
      const image = program.newImage();
      const pids = pidsOfTree(program.pid);
      await program.dump(image);
      await program.gone(pids);
      // the fifteenth of the tasks stops when it is born, and all others wait for it
      const restore = spawn(process.execPath, [CRCTL, "restore", "-D", image], {
        stdio: "ignore",
        detached: true,
        env: { ...process.env, CRCTL_FAULT: "executor.born:15=stop" },
      });
      const ended = once(restore, "exit");
      await until("a task to have stopped half-way", () => pids.some((pid) => stateOf(pid) === "T"));
      restore.kill("SIGKILL");
      await ended;
      await program.gone(pids);
      await program.restore(image);
      await program.verify();
      await program.finish();
    });
  });
});

describe("without the module", () => {
  it("every command says so", async () => {
    const armed = "/sys/module/crctl/parameters/armed";
    const program = await Program.start("heap");
    const image = program.newImage();
    await program.dump(image, ["--leave-running"]);
    writeFileSync(armed, "0");
    try {
      await mustFail("E_NO_MODULE", 8, ["dump", "-t", String(program.pid), "-D", program.newImage()]);
      await mustFail("E_NO_MODULE", 8, ["restore", "-d", "-D", image]);
      const outcome = await crctl(["check", "--json"]);
      expect(outcome.status, describeOutcome(outcome)).to.equal(8);
      // an image can be looked at anywhere
      await must(["show", image]);
    } finally {
      writeFileSync(armed, "1");
    }
    await program.verify();
    await program.finish();
  });
});
