/**
 * The module is disarmed, unloaded, loaded and armed again many times, while others do with /proc/<pid>/ what can be
 * done with it. Each time it either goes cleanly or stays, with EBUSY and nothing changed.
 *
 * CRCTL_CYCLES: how often (1000).
 */

import { expect } from "chai";
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { release } from "node:os";
import path from "node:path";
import { must } from "../integration/lib/crctl.js";
import { newDirectory } from "../integration/lib/directories.js";
import { CRCTL, PROGRAMS, REPO } from "../integration/lib/paths.js";
import { Herd } from "../integration/lib/program.js";
import { until } from "../integration/lib/wait.js";

const CYCLES = Number(process.env.CRCTL_CYCLES ?? 1000);
const ARMED = "/sys/module/crctl/parameters/armed";
/** How long the others may take to have done each of their things once, if nobody disarms meanwhile. */
const WORKING_MS = 180_000;
/** What does not stay for ever: as long as the longest of the others holds on to something. */
const TRIES_MS = 60_000;

/** The errno of it, "" if there is none. */
function codeOf(act: () => void): string {
  try {
    act();
    return "";
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}

const arm = (value: string): string => codeOf(() => writeFileSync(ARMED, value));
const entries = (): boolean => existsSync("/proc/self/dump") && readdirSync("/proc/self").includes("mfd");

/** What the loops do, with a name: each time that it worked is a line in the file of that name. */
const WORK = ["read", "threads", "path", "chdir", "sit", "dump"] as const;

/** Others, each a shell loop that ends when the file `stop` is there. */
function others(stop: string, target: number, done: string): ChildProcess[] {
  const image = path.join(newDirectory(), "image");
  const loops: Record<(typeof WORK)[number], string> = {
    // list, stat, open and read
    read: `ls -l /proc/[0-9]* /proc/[0-9]*/mfd; cat /proc/[0-9]*/{dump,mfd/*}; stat /proc/${target}/dump /proc/${target}/mfd`,
    threads: `cat /proc/[0-9]*/task/*/dump; find /proc -maxdepth 3 -name 'd*' | grep -q /dump`,
    // hold an O_PATH descriptor, or sit in mfd/, for the time of a command
    path: `sleep 0.1 | ${PROGRAMS}/procdump ${target} path`,
    chdir: `sleep 0.1 | ${PROGRAMS}/procdump ${target} chdir`,
    sit: `(cd /proc/${target}/mfd && ls -l . && true)`,
    // take dumps
    dump: `rm -rf ${image}; ${process.execPath} ${CRCTL} dump -t ${target} -D ${image} --leave-running`,
  };
  // with pauses, or somebody would hold on to something at each moment
  return WORK.map((name) =>
    spawn("/bin/bash", ["-c", `until [ -e ${stop} ]; do ${loops[name]} && echo >>${done}/${name}; sleep 0.2; done`], { stdio: "ignore" }),
  );
}

const lines = (file: string): number => (existsSync(file) ? readFileSync(file, "utf8").length : 0);

describe("unloading under load", () => {
  it(`${CYCLES} cycles, each clean or EBUSY`, async () => {
    const module = path.join(REPO, "build/kmod", release(), "crctl.ko");
    expect(existsSync(module), module).to.equal(true);
    const herd = await Herd.gather([{ program: "threads" }, { program: "file_shared" }]);
    const stop = path.join(newDirectory(), "stop");
    const done = newDirectory();
    const crowd = others(stop, herd.pid, done);
    const idle = (): readonly string[] => WORK.filter((name) => lines(path.join(done, name)) === 0);
    let busy = 0;
    const disarm = async (): Promise<void> => {
      await until(
        "it to be disarmed",
        () => {
          const code = arm("0");
          if (code === "") return true;
          expect(code).to.equal("EBUSY");
          expect(entries(), "after EBUSY").to.equal(true);
          expect(readFileSync(ARMED, "utf8").trim(), "after EBUSY").to.equal("Y");
          busy++;
          return false;
        },
        TRIES_MS,
      );
      expect(entries(), "disarmed").to.equal(false);
    };
    for (let cycle = 0; cycle < CYCLES; cycle++) {
      // half way, so that all have been seen to work: a dump takes longer than a few cycles and may be refused in each
      if (cycle === Math.floor(CYCLES / 2)) {
        await until(
          () => `${idle().join(", ")} to have worked`,
          () => idle().length === 0,
          WORKING_MS,
        );
      }
      await disarm();
      // every other time armed again as it is, too
      if (cycle % 2 === 0) {
        expect(arm("1")).to.equal("");
        expect(entries(), "armed again").to.equal(true);
        await disarm();
      }
      execFileSync("rmmod", ["crctl"]);
      expect(existsSync(ARMED)).to.equal(false);
      execFileSync("insmod", [module]);
      expect(entries(), "armed").to.equal(true);
      // it takes hours on a slow machine
      if ((cycle + 1) % 100 === 0) console.log(`      ${cycle + 1} cycles, EBUSY ${busy} times so far`);
    }
    writeFileSync(stop, "");
    for (const child of crowd) if (child.exitCode === null) await once(child, "exit");
    const times = WORK.map((name) => [name, lines(path.join(done, name))] as const);
    console.log(`      meanwhile: ${times.map(([name, n]) => `${name} ${n}`).join(", ")}`);
    console.log(`      ${CYCLES} cycles, EBUSY ${busy} times on the way`);

    // the tree that was dumped all the time is well, and the module works
    const image = path.join(newDirectory(), "image");
    await must(["dump", "-t", String(herd.pid), "-D", image, "--leave-running"]);
    rmSync(image, { recursive: true });
    for (const member of herd.members) {
      await member.verify();
      await member.finish();
    }
    await herd.finish();
    await until("nobody to use the module", () => readFileSync("/sys/module/crctl/refcnt", "utf8").trim() === "1");
  });
});
