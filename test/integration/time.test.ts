/** Calls with a timeout, timers, and what a thread has registered with the kernel for its speed. */

import { expect } from "chai";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { crctl, describeOutcome, mustFail, run } from "./lib/crctl.js";
import { newDirectory } from "./lib/directories.js";
import { remember } from "./lib/leftovers.js";
import { NOBODY, Nobody } from "./lib/nobody.js";
import { PACE } from "./lib/pace.js";
import { pidsOfTree } from "./lib/procfs.js";
import { Program } from "./lib/program.js";
import { describeRows } from "./lib/scenario.js";

describeRows("time", [
  { program: "itimers" },
  { program: "alarm_fires" },
  { program: "posix_timers" },
  { program: "cpu_timers" },
  { program: "timer_storm", alone: true, once: true },
  { program: "rseq" },
  { program: "rseq_section" },
  { program: "membarrier" },
  // long enough not to be over before the second dump, on a slow machine too; the last, as the others are done meanwhile
  { program: "sleeps", args: [String(150 * PACE)], title: "sleeps go on for the time that was left", once: true, finishMs: 200_000 },
]);

/** How far the clocks of a tree are ahead of this machine's, s. */
const AHEAD = "1000000";
/** How long some of its threads wait, s: not over before they are dumped. */
const WAIT = String(30 * PACE);

/** It is away while this machine is booted anew, as crctl sees it. */
async function awayDuringBoot(program: Program): Promise<void> {
  const image = program.newImage();
  const pids = pidsOfTree(program.pid);
  const begin = process.hrtime.bigint();
  await program.dump(image);
  const away = process.hrtime.bigint();
  await program.gone(pids);
  await afterAnotherBoot(async () => {
    const restoring = process.hrtime.bigint();
    await program.restore(image);
    program.wasAway(restoring - away, process.hrtime.bigint() - begin);
  });
}

async function afterAnotherBoot(act: () => Promise<void>): Promise<void> {
  const real = "/proc/sys/kernel/random/boot_id";
  const other = path.join(newDirectory(), "boot_id");
  writeFileSync(other, "00000000-1111-2222-3333-444444444444\n");
  const mounted = await run("mount", ["--bind", other, real]);
  expect(mounted.status, describeOutcome(mounted)).to.equal(0);
  try {
    await act();
  } finally {
    await run("umount", [real]);
  }
}

const offsets = (pid: number): string => readFileSync(`/proc/${pid}/timens_offsets`, "latin1");

describe("clocks", () => {
  it("of a time namespace: they go on as they did", async () => {
    const program = await Program.start("clocks", [AHEAD, "on", WAIT, "0"]);
    const before = offsets(program.pid);
    await program.cycle();
    await program.cycle();
    expect(offsets(program.pid)).to.equal(before);
    await program.verify();
    await program.finish();
  });

  it("after another boot: they go on from where they were, and do so the next time", async () => {
    const program = await Program.start("clocks", [AHEAD, "still", WAIT, "0"]);
    await awayDuringBoot(program);
    expect(offsets(program.pid)).to.match(/^monotonic +99\d{4} /m);
    await program.verify();
    await awayDuringBoot(program);
    await program.finish();
  });

  it("that would run backwards, as a user may make no time namespace: refused, or taken with --force", async () => {
    const nobody = await Nobody.enter();
    try {
      const program = await Program.start("clocks", [AHEAD, "still", "0", String(NOBODY)], { programs: nobody.programs });
      chmodSync(program.path("log"), 0o666);
      const image = program.newImage();
      const pids = pidsOfTree(program.pid);
      const dumped = await crctl(["dump", "-t", String(program.pid), "-D", image], nobody);
      expect(dumped.status, describeOutcome(dumped)).to.equal(0);
      await program.gone(pids);
      await afterAnotherBoot(async () => {
        const args = ["restore", "-d", "--new-pids", "-D", image];
        const error = await mustFail("E_PERMISSION", 7, args, nobody);
        expect(JSON.stringify(error)).to.match(/CLOCK_MONOTONIC of the tree would run backwards by 9999\d\d s/);
        const forced = await crctl([...args, "--force", "--json"], nobody);
        expect(forced.status, describeOutcome(forced)).to.equal(0);
        const { pid, notes } = JSON.parse(forced.stdout) as { pid: number; notes: string[] };
        remember(pid);
        expect(notes.join("\n")).to.match(/CLOCK_BOOTTIME of the tree jumps by -9999\d\d s/);
      });
    } finally {
      await nobody.leave();
    }
  });
});
