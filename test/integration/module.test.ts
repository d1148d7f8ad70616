/** The module by itself: /proc/<pid>/dump, /proc/<pid>/mfd/, images as programs, arming and disarming. */

import { expect } from "chai";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { chmodSync, existsSync, openSync, closeSync, readFileSync, readdirSync, readlinkSync, statSync, writeFileSync } from "node:fs";
import { release } from "node:os";
import path from "node:path";
import { describeOutcome, run } from "./lib/crctl.js";
import { newDirectory } from "./lib/directories.js";
import { PROGRAMS, REPO } from "./lib/paths.js";
import { stateOf } from "./lib/procfs.js";
import { Program } from "./lib/program.js";
import { said } from "./lib/said.js";
import { until } from "./lib/wait.js";

const PROCDUMP = path.join(PROGRAMS, "procdump");
const ARMED = "/sys/module/crctl/parameters/armed";
const NOBODY = 65534;

async function stopped(name: string, args: readonly string[] = []): Promise<Program> {
  const program = await Program.start(name, args);
  process.kill(program.pid, "SIGSTOP");
  await until("it to be stopped", () => stateOf(program.pid) === "T");
  return program;
}

/** The error's code, "" if there is none. */
function codeOf(act: () => void): string {
  try {
    act();
    return "";
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? "?";
  }
}

async function sumOf(command: string): Promise<string> {
  const { stdout, stderr, status } = await run("/bin/bash", ["-c", `set -o pipefail; ${command} | sha256sum`]);
  expect(status, `${command}: ${stderr}`).to.equal(0);
  return stdout;
}

describe("/proc/<pid>/dump", () => {
  it("is opened and read while its process is killed", async () => {
    const outcome = await run(path.join(PROGRAMS, "killed"), ["20", "300"]);
    expect(outcome.status, describeOutcome(outcome)).to.equal(0);
  });

  it("is there for every process, readable by its owner alone", () => {
    for (const pid of ["self", "1", String(process.pid)]) {
      expect(statSync(`/proc/${pid}/dump`).mode & 0o777).to.equal(0o400);
      expect(readdirSync(`/proc/${pid}`)).to.include.members(["dump", "mfd"]);
    }
  });

  it("is the same by read, pread in any order, splice and cat; and from one time to the next", async () => {
    const program = await stopped("large", ["8"]);
    const file = `/proc/${program.pid}/dump`;
    // what differs between two openings is the readings of the clocks: in one opening nothing may
    const image = readFileSync(file);
    expect(image.subarray(0, 4).toString("latin1")).to.equal("\x7fELF");
    // e_type at 16: ET_CORE; e_machine at 18: x86-64
    expect([image.readUInt16LE(16), image.readUInt16LE(18)]).to.deep.equal([4, 62]);
    expect(image.length).to.be.greaterThan(8 << 20);
    const pages = createHash("sha256")
      .update(image.subarray(image.length - (8 << 20)))
      .digest("hex");
    for (const way of ["splice", "pread 1", "pread 424242"]) {
      const sum = await sumOf(`${PROCDUMP} ${program.pid} ${way} | tail -c ${8 << 20}`);
      expect(sum.split(" ", 1)[0], way).to.equal(pages);
    }
    expect((await sumOf(`cat ${file} | tail -c ${8 << 20}`)).split(" ", 1)[0], "cat").to.equal(pages);
    process.kill(program.pid, "SIGCONT");
    await program.finish();
  });

  it("is EBUSY for a process that runs", async () => {
    const program = await Program.start("threads_busy");
    expect(codeOf(() => readFileSync(`/proc/${program.pid}/dump`))).to.equal("EBUSY");
    await program.finish();
  });

  it("is EBUSY once the process has run since it was opened", async () => {
    const program = await stopped("regs_general");
    const holder = spawn(PROCDUMP, [String(program.pid), "hold"]);
    await said(holder, "open");
    process.kill(program.pid, "SIGCONT");
    await until("it to run", () => stateOf(program.pid) === "R");
    process.kill(program.pid, "SIGSTOP");
    await until("it to be stopped again", () => stateOf(program.pid) === "T");
    holder.stdin.end();
    await said(holder, "EBUSY");
    process.kill(program.pid, "SIGCONT");
    await program.finish();
  });

  it("is refused to another user, and mfd/ too", async () => {
    const program = await stopped("shared_file");
    for (const command of [`cat /proc/${program.pid}/dump`, `ls /proc/${program.pid}/mfd`]) {
      const outcome = await run("/bin/sh", ["-c", command], { uid: NOBODY });
      expect(outcome.status, command).to.not.equal(0);
      expect(outcome.stdout).to.equal("");
      expect(outcome.stderr).to.match(/Permission denied|not permitted/);
    }
    process.kill(program.pid, "SIGCONT");
    await program.finish();
  });

  it("has nothing for a kernel thread", () => {
    expect(codeOf(() => readFileSync("/proc/2/dump"))).to.not.equal("");
  });

  it("survives the end of its process", async () => {
    const program = await stopped("heap");
    const fd = openSync(`/proc/${program.pid}/dump`, "r");
    process.kill(program.pid, "SIGKILL");
    await program.gone([program.pid]);
    expect(codeOf(() => readFileSync(fd))).to.be.oneOf(["ESRCH", "EBUSY", "EIO", "ENOENT"]);
    closeSync(fd);
  });
});

describe("/proc/<pid>/mfd", () => {
  it("has a link for each file mapping, named by its start, that leads to the file", async () => {
    const program = await stopped("shared_file");
    const directory = `/proc/${program.pid}/mfd`;
    const mapped = readFileSync(`/proc/${program.pid}/maps`, "utf8")
      .split("\n")
      .map((line) => /^0*([0-9a-f]+)-\S+ \S+ \S+ \S+ (\d+) +(\/.*)$/.exec(line))
      .filter((parts) => parts !== null);
    expect(readdirSync(directory).sort()).to.deep.equal(mapped.map((parts) => parts[1] ?? "").sort());
    for (const [, start = "", inode, name] of mapped) {
      expect(readlinkSync(`${directory}/${start}`)).to.equal(name);
      expect(String(statSync(`${directory}/${start}`).ino)).to.equal(inode);
    }
    expect(codeOf(() => statSync(`${directory}/1000`))).to.equal("ENOENT");
    expect(codeOf(() => statSync(`${directory}/nonsense`))).to.equal("ENOENT");
    process.kill(program.pid, "SIGCONT");
    await program.finish();
  });

  it("leads to shared anonymous memory: content, and the same inode for who shares it", async () => {
    const program = await stopped("shared_anon");
    const links = (pid: number): [string, bigint, string][] =>
      readdirSync(`/proc/${pid}/mfd`)
        .map((name) => `/proc/${pid}/mfd/${name}`)
        .filter((link) => readlinkSync(link).startsWith("/dev/zero"))
        .map((link) => [link, statSync(link, { bigint: true }).ino, link]);
    const [child] = readFileSync(`/proc/${program.pid}/task/${program.pid}/children`, "utf8").split(" ");
    const own = links(program.pid);
    const inodes = new Set(own.map(([, inode]) => inode));
    // two memories; the first in two parts, as its second page is unmapped
    expect(own).to.have.lengthOf(3);
    expect(inodes.size).to.equal(2);
    expect(new Set(links(Number(child)).map(([, inode]) => inode))).to.deep.equal(inodes);
    const [first] = own[0] ?? [""];
    expect(readFileSync(first).length).to.be.oneOf([2 * 4096, 32 * 4096]);
    process.kill(program.pid, "SIGCONT");
    await program.finish();
  });
});

describe("an image as a program", () => {
  it("goes on where it was, in the task that executes it", async () => {
    const program = await stopped("regs_general");
    const image = path.join(newDirectory(), "image");
    writeFileSync(image, readFileSync(`/proc/${program.pid}/dump`));
    chmodSync(image, 0o755);
    process.kill(program.pid, "SIGKILL");
    await program.gone([program.pid]);
    const again = spawn(image, [], { stdio: "ignore" });
    await once(again, "spawn");
    // (the link exe leads to the image: only a controller has the right to set it)
    await until(
      "it to be the program, in its loop",
      () => readFileSync(`/proc/${again.pid}/comm`, "utf8") === "regs_general\n" && stateOf(again.pid ?? 0) === "R",
    );
    const ended = once(again, "exit");
    again.kill("SIGUSR2");
    expect(await ended).to.deep.equal([0, null]);
    expect(program.status()).to.include("PASS 1");
  });

  it("is ENOEXEC or EINVAL, and nothing worse, when it is damaged", async () => {
    const program = await stopped("tls");
    const image = readFileSync(`/proc/${program.pid}/dump`);
    process.kill(program.pid, "SIGCONT");
    await program.finish();
    const directory = newDirectory();
    // ELF64: program headers of 56 bytes from e_phoff on, the first one that of the notes
    const headers = Number(image.readBigUInt64LE(32));
    const notes = Number(image.readBigUInt64LE(headers + 8));
    const places: Record<string, number> = {
      e_phoff: 32,
      "e_phentsize and e_phnum": 54,
      "p_offset of the notes": headers + 8,
      "p_filesz of the notes": headers + 32,
      "p_offset of the first pages": headers + 56 + 8,
      "p_vaddr of the first pages": headers + 56 + 16,
      "p_filesz of the first pages": headers + 56 + 32,
      "sizes of the first note": notes,
      "version of the first note": notes + 20,
    };
    const spoilt: [string, Buffer][] = [
      ["cut in the header", image.subarray(0, 40)],
      ["cut in the notes", image.subarray(0, notes + 100)],
      ["cut in the pages", image.subarray(0, image.length - 4096)],
      ...Object.entries(places).map(([what, offset]): [string, Buffer] => {
        const copy = Buffer.from(image);
        copy.fill(0xff, offset, offset + 8);
        return [what, copy];
      }),
    ];
    for (const [what, bytes] of spoilt) {
      const file = path.join(directory, what.replaceAll(" ", "-"));
      writeFileSync(file, bytes, { mode: 0o755 });
      // a program that was restored all the same would wait for a signal for ever
      const { status, stderr } = await run("timeout", ["-s", "KILL", "20", "/bin/bash", "-c", `exec ${file}`]);
      // 126: found, and not executed
      expect(status, `${what}: ${stderr}`).to.equal(126);
    }
  });
});

describe("arming and disarming", () => {
  const arm = (value: string): string => codeOf(() => writeFileSync(ARMED, value));
  const entries = (): boolean => existsSync("/proc/self/dump");

  afterEach(() => {
    if (readFileSync(ARMED, "utf8").trim() !== "1" && readFileSync(ARMED, "utf8").trim() !== "Y") writeFileSync(ARMED, "1");
  });

  it("takes the entries away, and brings them back", () => {
    expect(entries()).to.equal(true);
    expect(arm("0")).to.equal("");
    expect(entries()).to.equal(false);
    expect(readdirSync("/proc/self")).to.not.include.members(["dump", "mfd"]);
    expect(arm("1")).to.equal("");
    expect(entries()).to.equal(true);
    expect(readdirSync("/proc/self")).to.include.members(["dump", "mfd"]);
  });

  for (const way of ["hold", "path", "chdir"]) {
    it(`is EBUSY while somebody is there (${way}), and nothing has changed`, async () => {
      const program = await stopped("heap");
      const holder = spawn(PROCDUMP, [String(program.pid), way]);
      await said(holder, "open");
      expect(arm("0")).to.equal("EBUSY");
      expect(entries()).to.equal(true);
      expect((await run("rmmod", ["crctl"])).status).to.not.equal(0);
      holder.stdin.end();
      await once(holder, "exit");
      expect(arm("0")).to.equal("");
      expect(arm("1")).to.equal("");
      process.kill(program.pid, "SIGCONT");
      await program.finish();
    });
  }

  it("unload and load again, many times, while others walk /proc", async () => {
    const module = [path.join(REPO, "build/kmod", release(), "crctl.ko"), path.join(REPO, "kmod/crctl.ko")].find(existsSync);
    if (module === undefined) throw new Error("there is no module to load");
    const stop = path.join(newDirectory(), "stop");
    const walkers = Array.from({ length: 2 }, () =>
      spawn("/bin/bash", ["-c", `until [ -e ${stop} ]; do for p in /proc/[0-9]*; do cat $p/dump $p/mfd/* ; ls -l $p $p/mfd; done; done`], {
        stdio: "ignore",
      }),
    );
    for (let round = 0; round < 8; round++) {
      await until("it to be disarmed between two looks of the walkers", () => arm("0") === "");
      const { status, stderr } = await run("rmmod", ["crctl"]);
      expect(status, stderr).to.equal(0);
      expect(entries()).to.equal(false);
      const loaded = await run("insmod", [module]);
      expect(loaded.status, loaded.stderr).to.equal(0);
      expect(entries()).to.equal(true);
    }
    writeFileSync(stop, "");
    await Promise.all(walkers.map((walker) => once(walker, "exit")));
  });
});
